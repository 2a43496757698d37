"""What the adapters are for is imported with them, and with nothing else."""

import importlib
import subprocess
import sys

import pytest

ADAPTERS = {
    "gymnasium": ("gymnasium", "adapters"),
    "pettingzoo": ("pettingzoo", "adapters"),
    "stable_baselines3": ("stable_baselines3", "sb3"),
    "jaxmarl": ("jaxmarl", "jaxmarl"),
    "gymnax": ("gymnax", "gymnax"),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_missing_library_is_one_line_that_names_the_extra(adapter, monkeypatch):
    package, extra = ADAPTERS[adapter]
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("spaces", adapter):
        monkeypatch.delitem(sys.modules, f"jaxvec.adapters.{name}", raising=False)
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f"jaxvec.adapters.{adapter}")
    assert str(caught.value) == f"this adapter needs {package}, which is not installed: pip install 'jaxvec[{extra}]'"


def test_jaxvec_imports_none_of_them():
    code = "import sys, jaxvec, jaxvec.adapters, jaxvec.cli, jaxvec.training; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert "jaxvec.adapters" in loaded
    assert not loaded & {"gymnasium", "pettingzoo", "stable_baselines3", "torch", "jaxmarl", "gymnax"}
