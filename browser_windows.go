package main

import (
	"os/exec"
	"syscall"
)

// detach keeps Ctrl+C in our terminal from ending a browser that cmd started.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
