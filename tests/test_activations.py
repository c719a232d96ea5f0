"""Each φ against torch's own, each slope against autograd, on floats, arrays and tensors."""

import copy
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isolib.activations import NAMES, Activation, get

#: those that torch does not have under the same name, or with another parameter
REFERENCE = {
    "linear": lambda x: x,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.05),
    "hard_tanh": F.hardtanh,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
}


def reference(name):
    """The function of torch that an activation is compared with."""
    for functions in (REFERENCE, vars(torch), vars(F)):
        if name in functions:
            return functions[name]
    pytest.fail(f"torch has no function {name!r}: write it into REFERENCE in {__file__}")


X = torch.cat([torch.linspace(-30, 30, 401), torch.linspace(-2, 2, 401)]).double()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained(name):
    assert re.search(rf"\b{name}\b", get.__doc__), f"the docstring of get says nothing of {name}"


def test_a_name_unknown_to_torch_is_told_where_to_go():
    with pytest.raises(pytest.fail.Exception, match="write it into REFERENCE"):
        reference("no such function")


@pytest.mark.parametrize("name", NAMES)
def test_phi_and_slope_agree_with_torch(name):
    act = get(name)
    x = X.clone().requires_grad_()
    y = reference(name)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    away = torch.ones_like(X, dtype=bool)
    for k in act.kinks:
        away &= (X - k).abs() > 1e-9
    assert torch.allclose(act.phi(X), y.detach(), rtol=1e-13, atol=1e-15)
    assert torch.allclose(act.slope(X)[away], slope[away], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(act.phi(X.numpy()), y.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(act.slope(X.numpy()), act.slope(X).numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_slope_is_the_autograd_of_phi_even_at_the_kinks(name):
    act = get(name)
    x = torch.tensor([-2.0, -1.0, -0.3, 0.0, 0.7, 1.0, 5.0], dtype=torch.float64)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(act.phi(x).sum(), x)
    assert torch.allclose(act.slope(x.detach()), slope, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_kinds_and_dtypes_are_kept(name):
    act = get(name)
    for f in (act, act.phi, act.slope):
        assert type(f(0.3)) is float and type(f(-1)) is float
        assert f(np.ones((2, 3), np.float32)).dtype == np.float32
        assert f(np.ones((2, 3))).shape == (2, 3)
        assert f(np.arange(3)).dtype == np.float64
        assert isinstance(f(np.float64(2)), float)
        for dtype in (torch.float32, torch.float64):
            out = f(torch.ones(2, 3, dtype=dtype))
            assert out.dtype == dtype and out.shape == (2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_far_values_stay_finite_and_nan_stays_nan(name):
    act = get(name)
    for x in (-1e4, 1e4):
        assert np.isfinite(act(x)) and np.isfinite(act.slope(x))
    assert np.isnan(act(float("nan"))) and torch.isnan(act(torch.tensor(float("nan"))))


def test_tanh_slope_has_no_cancellation():
    assert get("tanh").slope(15.0) == pytest.approx(1 / np.cosh(15.0) ** 2, rel=1e-14)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "hard_tanh"])
def test_numerical_slope(name):
    """A slope left out is found: exactly for tensors, to about 1e-11 for arrays."""
    act = get(name)
    mine = Activation("mine", phi=act.phi, kinks=act.kinks)
    x = np.linspace(-3, 3, 2001)
    x = x[abs(x) > 1e-9]
    np.testing.assert_allclose(mine.slope(x), act.slope(x), rtol=0, atol=1e-10)
    t = torch.as_tensor(x)
    assert torch.allclose(mine.slope(t), act.slope(t), rtol=1e-12, atol=1e-13)


def test_numerical_slope_beside_a_kink_and_of_torch_only_functions():
    relu = Activation("mine", phi=torch.relu, kinks=[0])
    assert relu.slope(1e-5) == pytest.approx(1, abs=1e-10)
    assert relu.slope(-1e-5) == pytest.approx(0, abs=1e-10)
    assert relu(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert Activation("mine", phi=torch.relu).slope(1e-5) == pytest.approx(0.5, abs=0.1)


def test_numerical_slope_goes_through_vmap_and_grad():
    act = Activation("mine", phi=lambda x: torch.tanh(x) * x)
    x = torch.linspace(-2, 2, 7, dtype=torch.float64)
    second = torch.func.vmap(torch.func.grad(act.slope))(x)
    exact = torch.func.vmap(torch.func.grad(torch.func.grad(act.phi)))(x)
    assert torch.allclose(second, exact)


def test_get_is_idempotent_cached_and_copies():
    act = get("leaky_relu", alpha=0.2)
    assert act(-1.0) == -0.2 and get("leaky_relu")(-1.0) == -0.05
    assert get(act) is act and get("leaky_relu", alpha=0.2) == act and act != get("leaky_relu")
    assert copy.deepcopy(act) == act and hash(act) == hash(get(act))
    assert get("elu", alpha=2.0)(-50.0) == pytest.approx(-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get("tahn"), "activation must be one of.*'tahn'.*'tanh'"),
        (lambda: get(3), "activation must be one of.*3"),
        (lambda: get("tanh", alpha=1.0), "'tanh' takes no parameters, got 'alpha'"),
        (lambda: get("elu", beta=1.0), "'elu' takes only alpha, got 'beta'"),
        (lambda: get("leaky_relu", alpha=float("nan")), "alpha"),
        (lambda: get("elu", alpha=0), r"alpha.*\(0, 10\]"),
        (lambda: get(get("elu"), alpha=1.0), "need a name"),
        (lambda: Activation("mine", phi=3), "phi must be a function"),
        (lambda: Activation("mine", phi=abs, slope=1), "slope must be a function"),
        (lambda: Activation("mine", phi=abs, kinks=[float("inf")]), "kinks must be finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_import_is_light():
    code = (
        "import sys, isolib.activations as a; a.get('gelu').slope(1.0);"
        "a.Activation('mine', phi=lambda x: x**2).slope(1.0);"
        "print([m for m in ('torch', 'matplotlib', 'ipywidgets') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
