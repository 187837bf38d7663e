"""The recording's database: messages, marked words and the history of learning, encrypted in one SQLite file."""
