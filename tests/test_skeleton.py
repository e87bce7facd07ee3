"""The public face: what importing does, what it offers, what the wheel holds."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import lakehouse as ln

REPO = Path(__file__).resolve().parents[1]
HEAVY = [
    "anndata",
    "duckdb",
    "h5py",
    "numpy",
    "pandas",
    "polars",
    "pronto",
    "pyarrow",
    "pydantic",
    "pyiceberg",
    "rich",
    "sqlalchemy",
    "typer",
]


def _python(code: str, cwd: Path, executable: str = sys.executable) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LAKEHOUSE_")}
    env |= {"HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [executable, "-W", "error", "-c", code],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_import_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        f"import json, sys, lakehouse; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    assert json.loads(_python(code, tmp_path)) == []


def test_import_has_no_side_effect(tmp_path: Path) -> None:
    code = """
import os, sys
before = dict(os.environ), os.getcwd(), list(sys.path), sorted(os.listdir("."))
import lakehouse
assert before == (dict(os.environ), os.getcwd(), list(sys.path), sorted(os.listdir(".")))
"""
    assert _python(code, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_every_public_name_resolves() -> None:
    for name in ln.__all__:
        assert getattr(ln, name) is not None, name
    assert set(ln.__all__) <= set(dir(ln))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Artefact'"):
        _ = ln.Artefact


def _declared_for_type_checkers() -> dict[str, str]:
    tree = ast.parse(Path(ln.__file__).read_text(encoding="utf-8"))
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            separator = "." if node.module == "lakehouse" else ":"
            found[alias.asname or alias.name] = f"{node.module}{separator}{alias.name}"
    return found


def test_lazy_table_equals_what_type_checkers_see() -> None:
    assert _declared_for_type_checkers() == ln._EXPORTS
    assert sorted(ln._EXPORTS) == sorted(ln.__all__)


@pytest.fixture(scope="module")
def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment's Python with our wheel in it, and the dependencies of this one."""
    tmp = tmp_path_factory.mktemp("wheel")
    for command in (
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp, REPO],
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp, REPO],
    ):
        subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp.glob("*.whl")
    assert len(list(tmp.glob("*.tar.gz"))) == 1
    venv.create(tmp / "env", symlinks=True)
    python = tmp / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    (site,) = (tmp / "env" / "lib").glob("python*/site-packages")
    # A path file inside a path file isn't followed, so an editable install of ours stays outside.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


@pytest.mark.slow
def test_wheel_works_in_a_fresh_environment(installed_wheel: Path, tmp_path: Path) -> None:
    code = """
import json, lakehouse, lakehouse.extension as e, lakehouse.ontology as o
assert "cellxgene" in e.extensions() and callable(e.rules_named("dataset_rules", "cellxgene"))
found = o.manifests()
terms = o.read(o.extract("blood-cells"))
print(json.dumps([lakehouse.__file__, lakehouse.__version__, sorted(found), len(terms.terms)]))
"""
    file, version, manifests, n_terms = json.loads(
        _python(code, tmp_path, executable=str(installed_wheel))
    )
    assert Path(file).is_relative_to(installed_wheel.parents[1])
    assert version == ln.__version__
    assert set(manifests) == {path.stem for path in (REPO / "ontologies/manifests").glob("*.toml")}
    assert n_terms > 10


@pytest.mark.slow
def test_wheel_brings_the_command(installed_wheel: Path, tmp_path: Path) -> None:
    command = [str(installed_wheel.parent / "lakehouse"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "quickstart" in done.stdout
