"""The size switch."""

import pytest

from isolib import scale

SIZES = {"test": 1, "laptop": 2, "paper": 3}


@pytest.mark.parametrize("name", scale.SCALES)
def test_each_scale_picks_its_value(monkeypatch, name):
    monkeypatch.setenv("ISOLIB_SCALE", name)
    assert scale.name() == name and scale.pick(**SIZES) == SIZES[name]


@pytest.mark.parametrize("value", [None, ""])
def test_laptop_is_the_default(monkeypatch, value):
    monkeypatch.delenv("ISOLIB_SCALE", raising=False)
    if value is not None:
        monkeypatch.setenv("ISOLIB_SCALE", value)
    assert scale.name() == "laptop"


def test_a_wrong_name_is_refused_with_the_nearest(monkeypatch):
    monkeypatch.setenv("ISOLIB_SCALE", "papers")
    with pytest.raises(
        ValueError, match="ISOLIB_SCALE must be one of test, laptop, paper; got 'papers'.*'paper'"
    ):
        scale.pick(**SIZES)


def test_every_scale_must_be_given():
    with pytest.raises(TypeError, match="paper"):
        scale.pick(test=1, laptop=2)


def test_device_is_what_torch_sees(monkeypatch):
    import torch

    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert scale.device() == device
