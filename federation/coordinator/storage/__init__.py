"""The coordinator's database: its tables, declared once for SQLite and PostgreSQL, and its transactions."""
