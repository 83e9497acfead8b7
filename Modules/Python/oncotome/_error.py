# SPDX-License-Identifier: Apache-2.0
"""What the package raises."""
import re


class Error(RuntimeError):
    """What Oncotome refuses, and why, in one line that names no patient and no path of an image.

    `code` is a stable name such as "input.not_found", `exit_code` that of the program `oncotome` for it.
    """

    __module__ = "oncotome"

    def __init__(self, message: str, code: str, exit_code: int) -> None:
        super().__init__(message, code, exit_code)
        self.code = code
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def from_program(message: str, code: str, exit_code: int) -> Error:
    """With the program's options said in Python."""
    message = re.sub(r"--input (\S+)=PATH", r'{"\1": PATH}', message)
    message = re.sub(r"--(device|precision|study) (cpu|f32|UID)\b", r'\1="\2"', message)
    return Error(message.replace("with --configuration, or its folder", "by its folder"), code, exit_code)
