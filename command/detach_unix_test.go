//go:build unix

package command

import (
	"os/exec"
	"strings"
	"syscall"
)

// detach has cmd begin a session of its own.
func detach(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// leaveGroup has cmd begin a group of its own, without most variables.
func leaveGroup(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	env := cmd.Env
	cmd.Env = nil
	for _, e := range env {
		if strings.HasPrefix(e, childEnv+"=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	return cmd
}
