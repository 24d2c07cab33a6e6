import os

import pytest

from compose.local.errors import DataInUse
from compose.local.stack import locked


def test_a_second_stack_on_the_same_folder_is_refused_and_told_whose_it_is(tmp_path):
    with locked(tmp_path), pytest.raises(DataInUse, match=f"process {os.getpid()}"), locked(tmp_path):
        pass


def test_the_folder_is_free_again_after_a_stop(tmp_path):
    with locked(tmp_path / "new"):
        pass
    with locked(tmp_path / "new"):
        pass
