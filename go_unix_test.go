//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestGo runs devserve as a Makefile does: by the Go command, from source. Beside the commands of TestScript there are
//
//	launch PROGRAM ARG...       start a program that starts devserve, at the head of a group of processes, as a shell does
//	interrupt                   send SIGINT to the group, as a terminal does for Ctrl+C, and wait for the program's end
//	gone                        wait until nobody listens at $URL
//	module DIR                  make DIR a Go module with devserve as a tool
func TestGo(t *testing.T) {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	p := scripts("testdata/go", map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"launch":    cmdLaunch,
		"interrupt": cmdInterrupt,
		"gone":      cmdGone,
		"module":    cmdModule,
	})
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("GOCACHE", dirs[0])
		e.Setenv("GOMODCACHE", dirs[1])
		e.Setenv("GOPROXY", "off") // all that is needed is here
		return setup(e)
	}
	testscript.Run(t, p)
}

func cmdLaunch(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	if neg || len(args) == 0 || p.cmd != nil {
		ts.Fatalf("usage: launch PROGRAM ARG..., once before interrupt or end")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	begin(ts, p, cmd)
	ts.Defer(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
}

func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	ts.Check(syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT))
	<-p.exited
	state := p.cmd.ProcessState
	*p = process{}
	if status := fmt.Sprint(state); len(args) != 1 || status != args[0] {
		ts.Fatalf("%s\n%s", status, output(ts, "err"))
	}
}

func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	eventually(ts, func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+ts.Getenv("PORT"))
		if err == nil {
			conn.Close()
			return errors.New("somebody listens")
		}
		return nil
	})
}

// cmdModule writes go.mod and go.sum as `go get -tool` does, with this tree in the place of a version.
func cmdModule(ts *testscript.TestScript, neg bool, args []string) {
	repo := ts.Getenv("REPO")
	_, needs, _ := strings.Cut(ts.ReadFile(filepath.Join(repo, "go.mod")), "\ngo ")
	needs = "go " + needs
	var tool strings.Builder
	for line := range strings.Lines(needs) {
		if strings.HasPrefix(line, "tool ") {
			continue
		}
		tool.WriteString(line)
	}
	const module = "github.com/devserve/devserve"
	fmt.Fprintf(&tool, "\ntool %s\nrequire %s v0.0.0\nreplace %s => %s\n", module, module, module, repo)
	dir := ts.MkAbs(args[0])
	writeFile(ts, filepath.Join(dir, "go.mod"), "module example.com/site\n"+tool.String())
	writeFile(ts, filepath.Join(dir, "go.sum"), ts.ReadFile(filepath.Join(repo, "go.sum")))
}

func writeFile(ts *testscript.TestScript, name, text string) {
	ts.Check(os.WriteFile(name, []byte(text), 0o666))
}
