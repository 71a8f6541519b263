"""Old payloads are removed; the jobs stay, and say so."""

from __future__ import annotations

import logging
import time

import pytest

from qtower.service import payloads, statuses
from qtower.service.documents import full_document
from qtower.service.payloads import Payloads
from qtower.service.records import NewJob, Owner
from qtower.service.retention import Retention
from qtower.service.settings import RetentionSettings
from qtower.service.store import Store

OWNER = Owner("ada", "ibm-q", "open", "main")
DAY = 24 * 3600.0


def ended_job(store: Store, files: Payloads) -> str:
    job = store.create(NewJob(OWNER, "ibmq_lima"))
    assert job is not None
    for file in (files.qobj_file(job.id), files.result_file(job.id)):
        payloads.write(file, b"{}")
    assert store.note_upload(job.id, 2)
    assert store.move(job.id, statuses.COMPLETED, statuses.UNFINISHED, has_result=True)
    return job.id


def test_what_is_old_is_removed_and_said(
    store: Store, files: Payloads, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    job_id = ended_job(store, files)
    retention = Retention(store, files, RetentionSettings(payload_seconds=DAY))
    assert retention.remove_old(time.time()) == 0
    assert files.result_file(job_id).exists()
    assert retention.remove_old(time.time() + 2 * DAY) == 1
    assert not files.result_file(job_id).exists()
    assert not files.qobj_file(job_id).exists()
    job = store.job(job_id)
    assert job is not None
    assert job.payloads_removed is not None
    assert not job.has_result
    assert "were removed at 20" in full_document(job, None)["summaryData"]["note"]
    assert caplog.records[0].message == "payloads removed"
    assert "payloads of jobs that ended before" in caplog.text
    assert retention.remove_old(time.time() + 9 * DAY) == 0


def test_unfinished_jobs_and_jobs_without_payloads_are_left(store: Store, files: Payloads) -> None:
    running = store.create(NewJob(OWNER, "ibmq_lima"))
    assert running is not None
    payloads.write(files.qobj_file(running.id), b"{}")
    store.note_upload(running.id, 2)
    never_came = store.create(NewJob(OWNER, "ibmq_lima"))
    assert never_came is not None
    store.move(never_came.id, statuses.CANCELLED, statuses.UNFINISHED)
    retention = Retention(store, files, RetentionSettings(payload_seconds=1.0))
    assert retention.remove_old(time.time() + DAY) == 0
    assert files.qobj_file(running.id).exists()


def test_many_are_removed_in_several_looks(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qtower.service.retention._AT_ONCE", 3)
    jobs = [ended_job(store, files) for _ in range(10)]
    retention = Retention(store, files, RetentionSettings(payload_seconds=1.0))
    assert retention.remove_old(time.time() + DAY) == len(jobs)
    late = ended_job(store, files)
    assert retention.remove_old(time.time() + DAY) == 1
    assert not files.qobj_file(late).exists()


def test_one_that_died_half_way_is_finished(store: Store, files: Payloads) -> None:
    job_id = ended_job(store, files)
    files.remove(job_id)
    retention = Retention(store, files, RetentionSettings(payload_seconds=1.0))
    assert retention.remove_old(time.time() + DAY) == 1


def test_without_an_age_nothing_is_ever_removed(store: Store, files: Payloads) -> None:
    job_id = ended_job(store, files)
    retention = Retention(store, files, RetentionSettings())
    retention.start()
    assert retention.remove_old(time.time() + 1000 * DAY) == 0
    retention.close()
    assert files.result_file(job_id).exists()
