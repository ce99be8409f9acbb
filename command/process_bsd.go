//go:build unix && !linux

package command

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// origin is nothing here: a process that leaves its session is not found.
type origin struct{ err error }

func (*origin) mark(*exec.Cmd) {}
func (*origin) begin(int)      {}

// wait returns when the first process has ended. Its number stays its group's while anything of that is left.
func (t *tree) wait() { t.err = t.cmd.Wait() }

func (t *tree) reap() error { return t.err }

// alive reports whether something of the group is left; EPERM is what macOS answers for zombies.
func (t *tree) alive() bool { return unix.Kill(-t.pid, 0) == nil }

func (t *tree) strays() []int { return nil }
