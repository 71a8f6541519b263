"""Uploads and files: what was accepted stays as it is, and nobody else can read it."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Endpoint, start_service, stop_service
from tests.service.raw import Api, bell_qobj

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_upload_address_is_given_again(api: Api) -> None:
    job = api.create()
    url = api.get(f"/Jobs/{job['id']}/jobUploadUrl").json()["url"]
    raw = json.dumps(bell_qobj()).encode()
    assert httpx.put(url, content=raw).status_code == 200
    assert api.post(f"/Jobs/{job['id']}/jobDataUploaded").status_code == 200
    assert api.wait(job["id"])["status"] == "COMPLETED"
    assert api.get(f"/Jobs/{job['id']}/jobUploadUrl").status_code == 409


def test_a_late_upload_does_not_replace_what_was_accepted(api: Api, service: Endpoint) -> None:
    job = api.create()
    late = b'{"late": true}'
    url = urlsplit(job["objectStorageInfo"]["uploadUrl"])
    with socket.create_connection((url.hostname, url.port or 80), timeout=30) as line:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        line.sendall(f"{head}Content-Length: {len(late)}\r\n\r\n".encode() + late[:4])
        # While the late one is on its way, the job is uploaded, accepted and run.
        assert api.upload(job, json.dumps(bell_qobj(77)).encode()).status_code == 200
        assert api.post(f"/Jobs/{job['id']}/jobDataUploaded").status_code == 200
        assert api.wait(job["id"])["status"] == "COMPLETED"
        line.sendall(late[4:])
        assert b"409" in line.recv(100)
    kept = api.get(f"/Jobs/{job['id']}/jobDownloadUrl").json()["url"]
    assert api.http.get(kept).json() == bell_qobj(77)
    files = [file.name for file in (service.data_dir / "data" / "payloads").iterdir()]
    assert sorted(name for name in files if job["id"] in name) == [
        *(f"{job['id']}.qobj.z", f"{job['id']}.result.z")
    ]


def test_files_are_the_users_alone_in_whatever_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        endpoint = start_service(tmp_path, "--workers", "1")
    finally:
        os.umask(before)
    try:
        api = Api(endpoint.url, endpoint.token)
        api.wait(api.submit(bell_qobj()))
        api.close()
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*")}
    finally:
        stop_service(endpoint)
    assert any(path.name == "jobs.sqlite" for path in found)
    assert [path for path, mode in found.items() if mode & 0o077] == []
