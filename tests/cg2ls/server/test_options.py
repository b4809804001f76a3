import pytest

from cg2ls.server.options import ServerOptions


def test_settings_choose_a_model_and_leave_the_command_line_alone():
    options, problems = ServerOptions(model_flag="flag").with_settings({"model": "setting"})
    assert (options.model_flag, options.model_setting, problems) == ("flag", "setting", [])


@pytest.mark.parametrize("raw", [None, {}, {"other": 1}])
def test_no_settings_are_the_defaults(raw):
    assert ServerOptions().with_settings(raw) == (ServerOptions(), [])


@pytest.mark.parametrize("raw", [[], "model", {"model": 7}])
def test_settings_that_make_no_sense_are_named_and_left_out(raw):
    options, problems = ServerOptions().with_settings(raw)
    assert options == ServerOptions()
    assert len(problems) == 1
