"""The database: register, outbox and ledger, in one text for SQLite and PostgreSQL."""
