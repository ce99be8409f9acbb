//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes a command the head of a process group, so that endGroup reaches what it starts, too.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func endGroup(cmd *exec.Cmd, by os.Signal) { syscall.Kill(-cmd.Process.Pid, by.(syscall.Signal)) }
