-- The tables of version 1, as the first release made them.

CREATE TABLE access_tokens (
    digest VARCHAR(64) NOT NULL,
    "user" TEXT NOT NULL,
    login_digest VARCHAR(64) NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE TABLE job_tags (
    tag TEXT NOT NULL,
    job_id VARCHAR(24) NOT NULL,
    PRIMARY KEY (tag, job_id)
);
CREATE INDEX tags_by_job ON job_tags (job_id);

CREATE TABLE jobs (
    id VARCHAR(24) NOT NULL,
    "user" TEXT NOT NULL,
    hub TEXT NOT NULL,
    group_name TEXT NOT NULL,
    project TEXT NOT NULL,
    backend TEXT NOT NULL,
    name TEXT,
    tags TEXT NOT NULL,
    experiment_tag TEXT,
    live_data_enabled BOOLEAN NOT NULL,
    client_name TEXT,
    client_version TEXT,
    status TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    steps TEXT NOT NULL,
    place_in_line BIGINT,
    attempts INTEGER NOT NULL,
    run_seconds FLOAT,
    qobj_bytes BIGINT,
    has_result BOOLEAN NOT NULL,
    shots INTEGER,
    summary TEXT,
    error_message TEXT,
    error_code INTEGER,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX jobs_by_creation ON jobs ("user", hub, group_name, project, created);
CREATE INDEX jobs_by_end ON jobs (status, updated);
CREATE INDEX jobs_by_status ON jobs ("user", hub, group_name, project, status, created);
CREATE INDEX jobs_by_update ON jobs ("user", hub, group_name, project, updated);

PRAGMA user_version = 1;
