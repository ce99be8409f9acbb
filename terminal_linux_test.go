package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTerminal runs the command on a terminal of 60 columns and ends it by Ctrl+C there.
func TestTerminal(t *testing.T) {
	site := t.TempDir()
	for _, tt := range []struct{ env, want string }{
		{"TERM=xterm", "\x1b[36mhttp://localhost"},
		{"TERM=dumb", "Local    http://localhost"},
		{"NO_COLOR=1", "Local    http://localhost"},
	} {
		t.Run(tt.env, func(t *testing.T) {
			screen, terminal := openTerminal(t, 60)
			cmd := exec.Command("devserve", "--port", "0", site)
			cmd.Env = append(os.Environ(), "NO_COLOR=", "FORCE_COLOR=", "TERM=xterm", tt.env)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			terminal.Close()
			defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
			var shown strings.Builder
			buf, asked := make([]byte, 1<<10), false
			for { // until the last of the terminal's users has gone, which reads as EIO
				n, err := screen.Read(buf)
				shown.Write(buf[:n])
				if err != nil {
					break
				}
				if !asked && regexp.MustCompile(`Local .*\n`).MatchString(shown.String()) {
					asked = true
					io.WriteString(screen, "\x03")
				}
			}
			if err := cmd.Wait(); err != nil || !strings.Contains(shown.String(), tt.want) {
				t.Errorf("%v, on the screen:\n%q", err, shown.String())
			}
		})
	}
}

func TestTerminalWidth(t *testing.T) {
	_, terminal := openTerminal(t, 60)
	t.Setenv("TERM", "xterm")
	if width, obeys := terminalWidth(terminal); width != 60 || !obeys {
		t.Errorf("a terminal has width %d, obeys is %v", width, obeys)
	}
	_, sizeless := openTerminal(t, 0)
	if width, _ := terminalWidth(sizeless); width != 80 {
		t.Errorf("a terminal without a size has width %d", width)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []io.Writer{null, io.Discard} {
		if width, obeys := terminalWidth(w); width != 0 || obeys {
			t.Errorf("%T has width %d, obeys is %v", w, width, obeys)
		}
	}
	t.Setenv("TERM", "dumb")
	if width, obeys := terminalWidth(terminal); width != 0 || obeys {
		t.Errorf("a dumb terminal has width %d, obeys is %v", width, obeys)
	}
}

// openTerminal returns both sides of a new pseudo-terminal.
func openTerminal(t *testing.T, columns uint16) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}
