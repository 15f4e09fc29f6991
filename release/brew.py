"""The formula by which `brew install` takes the archives. A tap has it as Formula/ghostkey.rb.

Source: Homebrew Formula Cookbook; Homebrew on_system blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

import ghostkey

NAME = "kubectl-ghostkey"
_SYSTEMS = {"darwin": "macos", "linux": "linux"}
_MACHINES = {"amd64": "intel", "arm64": "arm"}


def formula(archives: Mapping[tuple[str, str], tuple[str, str]], base_url: str) -> str:
    """The Ruby; `archives` are (operating system, architecture) → (file, SHA-256). Of platforms without one it has nothing."""
    blocks = "".join(
        f"  on_{_SYSTEMS[system]} do\n    on_{_MACHINES[machine]} do\n"
        f'      url "{base_url.rstrip("/")}/{file}"\n      sha256 "{digest}"\n    end\n  end\n\n'
        for (system, machine), (file, digest) in sorted(archives.items())
    )
    return f'''class Ghostkey < Formula
  desc "Finds and trims keys of ConfigMaps and Secrets that outlive their subject"
  homepage "{base_url}"
  version "{ghostkey.__version__}"
  license "Apache-2.0"

{blocks}  def install
    libexec.install Dir["*"]
    bin.install_symlink libexec/"{NAME}"
    bin.install_symlink libexec/"{NAME}" => "ghostkey"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/ghostkey version")
  end
end
'''
