//go:build unix

package server

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNothingBlocks(t *testing.T) {
	dir := writeSite(t, map[string]string{"index.html": "x", "swapped.txt": "x"})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(t, Options{Dir: dir})
	for _, target := range []string{"/fifo", "/socket"} {
		for _, header := range [][]string{curl, navigation, module} {
			if resp, body := get(t, s, target, header...); resp.StatusCode != 403 || !strings.Contains(body, "neither a regular file nor a folder") {
				t.Errorf("%s: %s %s", target, resp.Status, body)
			}
		}
	}

	f := files{dir: dir, base: "/"}
	e, refused := f.find("swapped.txt")
	if refused != nil {
		t.Fatal(refused)
	}
	name := filepath.Join(dir, "swapped.txt")
	if err := syscall.Unlink(name); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, refused := f.open(e); refused != errIrregular { // without O_NONBLOCK this would wait for a writer
		t.Errorf("a fifo in place of a file: %v", refused)
	}
}
