"""Reports about NVIDIA cards."""

from __future__ import annotations

import pytest

from cg2ls.cli import nvidia
from cg2ls.cli.nvidia import Nvidia, find_nvidia

CARD = "NVIDIA X, 580.1, 8192 MiB"
FITS = Nvidia(
    cards=(CARD,),
    capability=(9, 0),
    driver_cuda=(13, 0),
    runtime="1.31.1",
    runtime_cuda=(13, 0),
    cudnn="9.1.0",
)


def changed(**differences: object) -> Nvidia:
    return Nvidia(**{**{name: getattr(FITS, name) for name in FITS.__dataclass_fields__}, **differences})


def test_without_a_card_there_is_no_remedy():
    assert Nvidia().find_problems() == []
    assert Nvidia().describe() == {"nvidia": "none seen"}


def test_matching_versions_need_no_remedy():
    assert FITS.find_problems() == []
    assert FITS.describe() == {
        "nvidia": CARD,
        "compute capability": "9.0",
        "CUDA": "driver runs up to 13.0, onnxruntime needs 13.0",
        "cuDNN": "9.1.0",
    }


@pytest.mark.parametrize(
    ("differences", "says"),
    [
        ({"runtime": None}, "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
        (
            {"driver_cuda": (12, 4)},
            "runs CUDA up to 12.4, but onnxruntime-gpu 1.31.1 needs 13: update the driver",
        ),
        ({"capability": (6, 1)}, "compute capability 6.1, but CUDA 13.0 needs 7.5"),
        ({"cudnn": None}, "cuDNN is missing: pip install 'onnxruntime-gpu[cuda,cudnn]'"),
    ],
)
def test_each_mismatch_has_a_remedy(differences, says):
    (mend,) = changed(**differences).find_problems()
    assert says in mend


def test_an_older_cuda_of_the_runtime_runs_on_a_newer_driver():
    assert changed(runtime_cuda=(12, 8), capability=(6, 1)).find_problems() == []


def test_the_driver_is_queried(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "  --query-gpu=*) echo 'NVIDIA X, 580.1, 8192 MiB, 9.0'; echo 'NVIDIA Y, 580.1, 8192 MiB, 8.6';;\n"
        "  *) echo '| Driver Version: 580.1    CUDA Version: 13.0 |';;\n"
        "esac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = find_nvidia()
    assert found.cards == (CARD, "NVIDIA Y, 580.1, 8192 MiB")
    assert (found.capability, found.driver_cuda) == ((8, 6), (13, 0))
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert find_nvidia() == Nvidia(), "a driver that does not answer counts as no driver"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert find_nvidia() == Nvidia()


def test_versions_are_parsed_and_other_text_gives_none():
    assert nvidia._parse_version("12.8") == (12, 8)
    assert nvidia._parse_version("N/A") is None
