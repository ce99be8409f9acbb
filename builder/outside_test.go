//go:build unix

package builder

import (
	"context"
	"errors"
	"os"
	"regexp"
	"testing"

	"golang.org/x/tools/txtar"
)

// An asset of a workspace package is read from where it was found. One that has become a pipe is gone: reading it would never end.
func TestOutsideFileThatBecomesAPipe(t *testing.T) {
	s := newSite(t, &txtar.Archive{Files: []txtar.File{
		{Name: "main.ts", Data: []byte("import logo from '../shared/logo.svg'\nconsole.log(logo)\n")},
		{Name: "../shared/logo.svg", Data: []byte("<svg/>\n")},
	}}, Options{})
	ctx := context.Background()
	out, err := s.b.Script(ctx, "main.ts")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(resourcePrefix + `(file/\w+/logo\.svg)`).FindSubmatch(out.Body)
	if m == nil {
		t.Fatalf("no URL in %s", out.Body)
	}
	if out, err = s.b.Resource(ctx, string(m[1]), nil); err != nil || string(out.Body) != "<svg/>\n" {
		t.Fatalf("%q, %v", out.Body, err)
	}
	if err := os.Remove(s.path("../shared/logo.svg")); err != nil {
		t.Fatal(err)
	}
	if err := mkfifo(s.path("../shared/logo.svg")); err != nil {
		t.Fatal(err)
	}
	if out, err = s.b.Resource(ctx, string(m[1]), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("%q, %v", out.Body, err)
	}
}
