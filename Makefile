# Everything here works on a machine with Python 3.11, pip, venv, make and git; uv, if it is missing, goes into .uv/.

export UV_PYTHON_DOWNLOADS = never

UV := $(or $(shell command -v uv),.uv/bin/uv)

demo: installed
	$(UV) run federate demo

demo-devices: installed
	$(UV) run federate demo-devices

test: installed
	sh tests/display.sh
	$(UV) run ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run deptry .
	$(UV) run deptry . --exclude '\.venv' --exclude '\.uv' --ignore DEP002,DEP004  # tests, too
	$(UV) run pytest -n 2 --dist loadfile

keyboard: installed
	$(UV) run keyboard

installed: $(UV)
	$(UV) sync

.uv/bin/uv:
	python3.11 -m venv .uv
	.uv/bin/pip install --quiet uv

.PHONY: demo demo-devices test keyboard installed
