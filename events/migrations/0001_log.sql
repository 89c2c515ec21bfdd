-- Times are integer microseconds since 1970. Every key begins with the organisation: one log per organisation.

CREATE TABLE heads (
    organisation TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- With a rowid, because entries are longer than a page's cell in an index tree may be.
CREATE TABLE events (
    organisation TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position > 0),
    stream TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    type TEXT NOT NULL,
    schema INTEGER NOT NULL,
    id TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    entry BLOB NOT NULL CHECK (length(entry) <= 65535),
    PRIMARY KEY (organisation, position)
) STRICT;

CREATE UNIQUE INDEX events_by_stream ON events (organisation, stream, version);
CREATE UNIQUE INDEX events_by_id ON events (organisation, id);
CREATE INDEX events_by_type ON events (organisation, type, position);

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never deleted');
END;

-- INSERT OR REPLACE deletes without asking the trigger above wherever recursive_triggers is off.
CREATE TRIGGER events_only_grow BEFORE INSERT ON events
WHEN EXISTS (
    SELECT 1 FROM events WHERE organisation = NEW.organisation AND position >= NEW.position
) OR EXISTS (
    SELECT 1 FROM events WHERE organisation = NEW.organisation AND stream = NEW.stream AND version >= NEW.version
) OR EXISTS (
    SELECT 1 FROM events WHERE organisation = NEW.organisation AND id = NEW.id
)
BEGIN
    SELECT RAISE(ABORT, 'an event is only added at the end');
END;

CREATE TABLE claims (
    organisation TEXT NOT NULL,
    name TEXT NOT NULL,
    stream TEXT NOT NULL,
    PRIMARY KEY (organisation, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    organisation TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    stream TEXT NOT NULL,
    position INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (organisation, scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    organisation TEXT NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    fold INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (organisation, stream)
) STRICT;
