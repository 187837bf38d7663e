# Needs Python 3.11 with pip and venv, make, and git. If the machine has no uv, it is installed into .uv/.

export UV_PYTHON_DOWNLOADS = never
unexport PYTHONDONTWRITEBYTECODE  # the tests start some hundred processes: each would compile the project again

UV := $(or $(shell command -v uv),.uv/bin/uv)

demo: installed
	$(UV) run federate demo

demo-devices: installed
	$(UV) run federate demo-devices

demo-words: installed
	$(UV) run federate demo-words

playground: installed
	$(UV) run federate playground

test: installed
	sh tests/display.sh
	$(UV) run --no-sync ruff check
	$(UV) run --no-sync ruff format --check
	$(UV) run --no-sync deptry .
	$(UV) run --no-sync deptry . --exclude '\.venv' --exclude '\.uv' --ignore DEP002,DEP004  # the tests too
	$(UV) run --no-sync mypy & types=$$!; $(UV) run --no-sync pytest -n 4 --dist loadfile --no-loadscope-reorder; tests=$$?; wait $$types && exit $$tests

keyboard: installed
	$(UV) run keyboard

installed: $(UV)
	$(UV) sync

.uv/bin/uv:
	python3.11 -m venv .uv
	.uv/bin/pip install --quiet uv
	@echo 'Installed uv into .uv/bin. To call it by name: export PATH="$$PWD/.uv/bin:$$PATH"'

.PHONY: demo demo-devices demo-words playground test keyboard installed
