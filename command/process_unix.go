//go:build unix

package command

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	terminate os.Signal = syscall.SIGTERM
	interrupt os.Signal = syscall.SIGINT
)

func shell(line string) []string { return []string{"/bin/sh", "-c", line} }

func setShell(*exec.Cmd, string) {}

// A tree is a process and those it has started: its session, which is its process group too. A terminal's signals do
// not reach it, and it cannot be stopped for reading from one.
type tree struct {
	cmd   *exec.Cmd
	pid   int
	guard guard
	origin
}

func startTree(cmd *exec.Cmd) (*tree, error) {
	t := &tree{cmd: cmd}
	t.mark(cmd)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.pid = cmd.Process.Pid
	t.guard = newGuard(t.pid)
	t.begin(t.pid)
	return t, nil
}

// signal sends s to all that lives.
func (t *tree) signal(s os.Signal) {
	_ = unix.Kill(-t.pid, s.(syscall.Signal))
	for _, pid := range t.strays() {
		_ = unix.Kill(pid, s.(syscall.Signal))
	}
}

func (t *tree) kill() { t.signal(syscall.SIGKILL) }

// release takes the first process's exit status, after which its number may be another's.
func (t *tree) release() error {
	t.guard.end()
	return t.reap()
}

// A guard is a shell that ends a process group when this process ends in whatever way, SIGKILL included: it
// notices by the end of its input. A parent-death signal would reach the group's first process only,
// and come too early when the thread that started it ends.
type guard struct {
	cmd   *exec.Cmd
	input io.Closer
}

const guardScript = `read -r _; kill -s TERM -- "-$1"; sleep 1; kill -s KILL -- "-$1"`

// newGuard returns the zero guard, which does nothing, where there is no shell.
func newGuard(pid int) guard {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "devserve-guard", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it must outlive a signal to our group
	input, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return guard{}
	}
	return guard{cmd, input}
}

func (g guard) end() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill()
		_ = g.input.Close()
		_ = g.cmd.Wait()
	}
}
