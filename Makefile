PY := .venv/bin/python
.PHONY: test
.venv:
	python3 -m venv .venv && .venv/bin/pip install -q pydantic==2.14.3 pytest==9.2.0
test: .venv
	$(PY) -m pytest -q
