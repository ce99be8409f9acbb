//go:build unix

package e2e

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

func init() {
	faults = append(faults,
		fault{"suspended", (*garden).suspend, (*garden).resume},
		fault{"overflow", (*garden).overflow, (*garden).resume})
}

func (g *garden) suspend() error { return g.srv.cmd.Process.Signal(syscall.SIGSTOP) }
func (g *garden) resume() error  { return g.srv.cmd.Process.Signal(syscall.SIGCONT) }

// overflow suspends the server and makes more events than the kernel keeps for it: those of the edits that follow are lost.
func (g *garden) overflow() error {
	if err := g.suspend(); err != nil {
		return err
	}
	events := 1000 // where the system has no such queue it is as good as suspend
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return err
		}
		events = n + 100
	}
	names := [2]string{g.path("flood-a"), g.path("flood-b")} // two: an event that equals the one before is none
	for _, name := range names {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			return err
		}
	}
	for i := range events {
		if err := os.Chmod(names[i%2], 0o666); err != nil {
			return err
		}
	}
	return nil
}
