"""Nothing of the user's is in reach."""

from __future__ import annotations

from pathlib import Path


def test_every_folder_of_the_server_lies_in_the_runs_own(place, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", "/home/somebody")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/somebody")
    environment = place.environment()
    own = {"HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"}
    assert all(Path(environment[name]).is_relative_to(place.home) for name in own)
    assert not {"CG2LS_HOME", "XDG_RUNTIME_DIR"} & environment.keys()


def test_files_are_copies(place, shop):
    assert place.path_of(shop).read_text() == shop.text
    assert place.path_at(place.path_of(shop).as_uri()) == place.path_of(shop)
    assert [root.name for root in place.roots] == [shop.repository]
