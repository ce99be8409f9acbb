package production

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/devserve/devserve/internal/leaktest"
	"golang.org/x/tools/txtar"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A script is a site in a txtar archive, whose comment says what happens to it, a line a step:
//
//	base /sub/, entry FILE, ignore GLOB, define K=V, sourcemap, readable, outdir DIR    for the builds that follow
//	build                      must succeed
//	build fails                must tell errors
//	build refused REGEXP       must return an error
//	file GLOB                  the file of the output that has, lacks and is are about; there is one that matches
//	no file GLOB
//	has / lacks REGEXP
//	exists                     whatever of /assets/ the file names is there
//	is FILE                    the file, with HHHHHHHH for every hash, is that one of the archive
//	files N                    how many there are in all
//	error / warning REGEXP     as file:line:col: text [line text]
//	warnings N
//	write FILE TEXT            \n in TEXT is a line end
//	remove FILE
//	renamed GLOB, kept GLOB    whether the name is another than after the build before
//	output FILE TEXT           write something into the output
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(t, a)
			for i, line := range strings.Split(string(a.Comment), "\n") {
				line = strings.TrimSpace(line)
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := s.step(line); err != nil {
					t.Fatalf("%s:%d: %s: %v", f, i+1, line, err)
				}
			}
		})
	}
}

type script struct {
	dir     string
	archive *txtar.Archive
	o       Options
	r       Result
	before  []string // names of the build before
	name    string   // of the current file
	text    string
}

func newScript(t *testing.T, a *txtar.Archive) *script {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &script{dir: filepath.Join(dir, "site"), archive: a, o: Options{Define: map[string]string{}}}
	s.o.Dir = s.dir
	for _, f := range a.Files {
		name := s.path(f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(strings.TrimSpace(string(f.Data)), "symlink "); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, f.Data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *script) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *script) out(name string) string {
	if s.r.OutDir != "" {
		return filepath.Join(s.r.OutDir, filepath.FromSlash(name))
	}
	return s.path("dist/" + name)
}

func (s *script) step(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	first, more, _ := strings.Cut(rest, " ")
	switch verb {
	case "base":
		s.o.Base = rest
	case "entry":
		s.o.Entries = append(s.o.Entries, rest)
	case "ignore":
		s.o.Ignore = append(s.o.Ignore, rest)
	case "define":
		name, value, _ := strings.Cut(rest, "=")
		s.o.Define[name] = value
	case "sourcemap":
		s.o.SourceMap = true
	case "readable":
		s.o.Readable = true
	case "outdir":
		s.o.OutDir = s.path(rest)
	case "build":
		return s.build(rest)
	case "file":
		names, err := s.match(rest)
		if err != nil || len(names) != 1 {
			return fmt.Errorf("%d files match: %v (%v); there are %v", len(names), names, err, s.names())
		}
		s.name = names[0]
		data, err := os.ReadFile(s.out(s.name))
		s.text = string(data)
		return err
	case "no":
		if names, err := s.match(more); err != nil || len(names) > 0 {
			return fmt.Errorf("%v %v", names, err)
		}
	case "has":
		return contains(rest, s.text)
	case "lacks":
		if contains(rest, s.text) == nil {
			return fmt.Errorf("it is there:\n%s", s.text)
		}
	case "exists":
		for _, name := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(s.text, -1) {
			file, err := url.PathUnescape(name[1:])
			if err != nil {
				return err
			}
			if _, err := os.Stat(s.out(file)); err != nil {
				return err
			}
		}
	case "is":
		got := hashes.ReplaceAllString(s.text, "-HHHHHHHH.")
		if want := s.file(rest); got != want {
			return fmt.Errorf("%s is\n%s", s.name, got)
		}
	case "files":
		if got := fmt.Sprint(len(s.r.Files)); got != rest {
			return fmt.Errorf("got %s: %v", got, s.names())
		}
	case "error":
		return contains(rest, fmt.Sprint(s.texts(true)))
	case "warning":
		return contains(rest, fmt.Sprint(s.texts(false)))
	case "warnings":
		if got := fmt.Sprint(len(s.r.Warnings)); got != rest {
			return fmt.Errorf("got %s: %s", got, s.texts(false))
		}
	case "write":
		return os.WriteFile(s.path(first), []byte(strings.ReplaceAll(more, `\n`, "\n")+"\n"), 0o666)
	case "output":
		if err := os.MkdirAll(filepath.Dir(s.out(first)), 0o777); err != nil {
			return err
		}
		return os.WriteFile(s.out(first), []byte(more), 0o666)
	case "remove":
		return os.Remove(s.path(rest))
	case "renamed", "kept":
		names, err := s.match(rest)
		if err != nil || len(names) != 1 {
			return fmt.Errorf("%d files match: %v (%v); there are %v", len(names), names, err, s.names())
		}
		if slices.Contains(s.before, names[0]) != (verb == "kept") {
			return fmt.Errorf("%s; before: %v", names[0], s.before)
		}
	default:
		return errors.New("no such step")
	}
	return nil
}

var hashes = regexp.MustCompile(`-[A-Z2-7]{8}\.`)

func (s *script) build(how string) error {
	before := s.names()
	r, err := Build(context.Background(), s.o)
	if want, ok := strings.CutPrefix(how, "refused "); ok {
		if err == nil {
			return errors.New("no error")
		}
		return contains(want, err.Error())
	}
	if err != nil {
		return err
	}
	if out := s.r.OutDir; r.OutDir == "" && out != "" {
		r.OutDir = out
	}
	s.before, s.r = before, r
	if failed := len(r.Errors) > 0; failed != (how == "fails") {
		return fmt.Errorf("errors: %s", s.texts(true))
	}
	if how == "fails" {
		return nil
	}
	return s.consistent()
}

// consistent checks that what the build says is what is there, and nothing beside.
func (s *script) consistent() error {
	told := map[string]bool{ManifestFile: true, recordFile: true}
	for _, f := range s.r.Files {
		told[f.Name] = true
		info, err := os.Stat(s.out(f.Name))
		if err != nil || info.Size() != f.Size {
			return fmt.Errorf("%s: %v, %+v", f.Name, err, f)
		}
	}
	names, err := s.match("**")
	for _, name := range names {
		if !told[name] && !slices.Contains(keepers, name) {
			return fmt.Errorf("%s is there too", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.r.OutDir), ".*.new-*")); len(left) > 0 {
		return fmt.Errorf("left over: %v", left)
	}
	return err
}

func (s *script) names() (names []string) {
	for _, f := range s.r.Files {
		names = append(names, f.Name)
	}
	return names
}

// match lists the files of the output that match a glob; ** is all.
func (s *script) match(glob string) (names []string, err error) {
	root := s.out(".")
	err = filepath.Walk(root, func(p string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if ok, _ := path.Match(glob, rel); ok || glob == "**" {
			names = append(names, rel)
		}
		return err
	})
	return names, err
}

func (s *script) file(name string) string {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (s *script) texts(errors bool) string {
	list := s.r.Warnings
	if errors {
		list = s.r.Errors
	}
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s:%d:%d+%d: %s [%s]\n", d.File, d.Line, d.Column, d.Length, d.Text, d.LineText)
	}
	return b.String()
}

func contains(pattern, text string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	if !re.MatchString(text) {
		return fmt.Errorf("no match in:\n%s", text)
	}
	return nil
}
