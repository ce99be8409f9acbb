package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, f := range append(newApp(io.Discard, io.Discard).Flags, buildFlags(&cli.BoolFlag{Name: "help"})...) {
		if !strings.Contains(readme, "`--"+f.Names()[0]) {
			t.Errorf("no --%s in the table", f.Names()[0])
		}
	}

	_, rest, _ := strings.Cut(readme, "\n```go\n")
	code, _, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatal("no Go program")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
