package command

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// project is a module with files of n lines that say which they are.
func project(t testing.TB, files ...string) finder {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "go.mod"), "module example.com/app\n\ngo 1.24\nbad\n")
	for _, name := range files {
		var text strings.Builder
		for i := range 50 {
			fmt.Fprintf(&text, "é line %d\n", i+1)
		}
		put(t, filepath.Join(dir, name), text.String())
	}
	return newFinder(dir)
}

// short is a diagnostic in one line.
func short(d Diagnostic) string {
	s := d.Source + "|" + place(d.File, d.Line, d.Column) + "|" + d.Text
	for _, n := range d.Notes {
		s += " + " + place(n.File, n.Line, n.Column) + "|" + n.Text
	}
	return strings.ReplaceAll(s, "\n", "↵")
}

func place(file string, line, column int) string {
	if file == "" {
		return "-"
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

func TestBuildErrors(t *testing.T) {
	f := project(t, "a/a.go", "b.go", "my dir/c.go", "view.templ", "query.sql", "in.css", "x.ts")
	for _, tt := range []struct {
		name, source, text string
		want               []string
	}{
		{"types", "go", `# example.com/app/a
a/a.go:4:2: "fmt" imported and not used
a/a.go:10:4: not enough arguments in call to f
	have (string)
	want (int, string)
./b.go:3:6: main redeclared in this block
	a/a.go:2:6: other declaration of main
my dir/c.go:1:1: odd
too many errors
`, []string{
			`go|a/a.go:4:2|"fmt" imported and not used`,
			`go|a/a.go:10:3|not enough arguments in call to f↵have (string)↵want (int, string)`,
			`go|b.go:3:5|main redeclared in this block + a/a.go:2:5|other declaration of main`,
			`go|my dir/c.go:1:1|odd`,
		}},
		{"the same in two packages", "go", "# p\n./b.go:1:1: x\n# p [p.test]\n./b.go:1:1: x\n", []string{"go|b.go:1:1|x"}},
		{"vet", "go", "# example.com/app\nvet: ./b.go:5:2: missing return\n", []string{"go|b.go:5:2|missing return"}},
		{"module", "go", "go: downloading example.com/x v1.0.0\na/a.go:4:2: no required module provides package example.com/none; to add it:\n\tgo get example.com/none\n",
			[]string{"go|a/a.go:4:2|no required module provides package example.com/none; to add it:↵go get example.com/none"}},
		{"go.mod", "go", "go: errors parsing go.mod:\ngo.mod:4: unknown directive: bad\n", []string{"go|go.mod:4:0|unknown directive: bad"}},
		{"version", "go", "go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)\n", []string{"go|-|go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)"}},
		{"cycle", "go", "package example.com/app/b\n\timports example.com/app/c from b.go\n\timports example.com/app/b from c.go: import cycle not allowed\n",
			[]string{"go|-|package example.com/app/b↵imports example.com/app/c from b.go↵imports example.com/app/b from c.go: import cycle not allowed"}},
		{"no package", "go", "stat /p/zzz: directory not found\n", []string{"go|-|stat /p/zzz: directory not found"}},
		{"linker", "go", "# example.com/app/d\nruntime.main_main·f: function main is undeclared in the main package\n",
			[]string{"go|-|runtime.main_main·f: function main is undeclared in the main package"}},
		{"absolute", "go", f.dir + "/b.go:2:1: x\n", []string{"go|b.go:2:1|x"}},
		{"no such file", "go", "none.go:2:1: x\n", []string{"go|-|none.go:2:1: x"}},
		{"trimmed paths", "go", "example.com/app/b.go:2:1: x\n", []string{"go|b.go:2:1|x"}},
		{"templ", "templ", `(✗) Error [ error=failed to generate code for "` + f.dir + `/view.templ": ` + f.dir + `/view.templ parsing error: <div>: close tag not found: line 5, col 0 ]
(✗) Command failed: generation completed with 1 errors
`, []string{"templ|view.templ:5:1|<div>: close tag not found"}},
		{"templ, one file", "templ", `(✗) Command failed: failed to generate code for "view.templ": view.templ parsing error: if: expected nodes, but none were found: line 6, col 3` + "\n",
			[]string{"templ|view.templ:6:3|if: expected nodes, but none were found"}},
		{"sqlc", "sqlc", "# package db\nquery.sql:7:1: relation \"users\" does not exist\n", []string{`sqlc|query.sql:7:1|relation "users" does not exist`}},
		{"Tailwind", "tailwindcss", "\x1b[31mCssSyntaxError\x1b[39m: tailwindcss: " + f.dir + "/in.css:4:3: Unknown word\n", []string{"tailwindcss|in.css:4:2|Unknown word"}},
		{"TypeScript", "tsc", "x.ts(3,1): error TS2322: Type 'string'\n", []string{"tsc|x.ts:3:1|error TS2322: Type 'string'"}},
		{"not understood", "make", "12:30 something\nmake: *** [all] Error 1\n", nil},
		{"a line that is not there", "go", "b.go:4711:9: x\n", []string{"go|b.go:4711:0|x"}},
	} {
		var got []string
		for _, d := range f.build(tt.source, tt.text) {
			got = append(got, short(d))
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
	if d := f.build("go", "b.go:7:4: x\n"); d[0].LineText != "é line 7" || d[0].Column != 3 {
		t.Errorf("%+v", d)
	}
}

func TestManyErrors(t *testing.T) {
	f := project(t, "b.go")
	text := strings.Repeat("b.go:1:1: x\nb.go:2:1: y\n\tmore\n", 10_000)
	if n := len(f.build("go", text)); n != diagnosticLimit {
		t.Errorf("%d diagnostics", n)
	}
	long := f.build("go", "b.go:1:1: "+strings.Repeat("é", textLimit)+"\n")[0].Text
	if len(long) > textLimit+len("…") || !utf8.ValidString(long) {
		t.Errorf("%d bytes of text", len(long))
	}
}

func TestCrashes(t *testing.T) {
	f := project(t, "main.go", "vendor/lib/lib.go", "server.js", "node_modules/x/x.js")
	for _, tt := range []struct{ name, text, want string }{
		{"nil in a goroutine", `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48a102]

goroutine 6 [running]:
main.(*T).get(...)
	DIR/main.go:11
main.main.func1()
	DIR/main.go:21 +0x42
created by main.main in goroutine 1
	DIR/main.go:20 +0xe9

goroutine 7 [select]:
main.other()
	DIR/main.go:40 +0x42
`, "panic|main.go:11:0|panic: runtime error: invalid memory address or nil pointer dereference↵[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48a102] + main.go:21:0|main.main.func1 + main.go:20:0|main.main"},
		{"below the library", `panic: first
	second

goroutine 1 [running]:
sync.(*Once).doSlow(0x412dbd?, 0x0?)
	/usr/local/go/src/sync/once.go:78 +0xac
lib.Do(...)
	DIR/vendor/lib/lib.go:2
main.start({0x1, 0x2})
	DIR/main.go:42 +0x1be
`, "panic|main.go:42:0|panic: first↵second"},
		{"trimmed paths", "panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\texample.com/app/main.go:3 +0x1\n", "panic|main.go:3:0|panic: x"},
		{"recursion", `fatal error: stack overflow

runtime stack:
runtime.throw({0x4ac934?, 0x418ae5?})
	/usr/local/go/src/runtime/panic.go:1229 +0x48 fp=0x7fff7d573c18 sp=0x7fff7d573be8 pc=0x477848

goroutine 1 gp=0x3988f54c41e0 m=0 mp=0x55a360 [running]:
main.rec(0x2aaaa47?)
	DIR/main.go:13 +0x2b fp=0x398915560398 sp=0x398915560390 pc=0x489c0b
main.rec(...)
	DIR/main.go:13
main.rec(...)
	DIR/main.go:13
`, "panic|main.go:13:0|fatal error: stack overflow + main.go:13:0|main.rec"},
		{"elsewhere", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:\nmain.main()\n\t/other/main.go:3 +0x1\n",
			"panic|-|fatal error: all goroutines are asleep - deadlock!"},
		{"no stack", "panic: not really\n", ""},
		{"Node", `DIR/server.js:3
  return o.port.number
                ^

TypeError: Cannot read properties of undefined (reading 'number')
    at inner (DIR/node_modules/x/x.js:1:1)
    at start (DIR/server.js:3:4)
    at Object.<anonymous> (file://DIR/server.js:5:1)
    at Module._compile (node:internal/modules/cjs/loader:1521:14)
`, "node|server.js:3:3|TypeError: Cannot read properties of undefined (reading 'number') + server.js:5:1|Object.<anonymous>"},
		{"Node, syntax", "DIR/server.js:1\nconst a = ;\n          ^\n\nSyntaxError: Unexpected token ';'\n    at wrapSafe (node:internal/modules/cjs/loader:1464:18)\n",
			"node|server.js:1:0|SyntaxError: Unexpected token ';'"},
	} {
		text := strings.ReplaceAll(tt.text, "DIR", f.dir)
		d, ok := f.crash(text)
		if !ok {
			d, ok = f.script(text)
		}
		got := ""
		if ok {
			got = short(d)
		}
		if got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}

// A panic that was printed and survived is not what a program has died of.
func TestEarlierPanic(t *testing.T) {
	f := project(t, "main.go")
	o := &output{queue: newQueue()}
	fmt.Fprintf(o, "panic: survived\n\ngoroutine 1 [running]:\nmain.main()\n\t%s/main.go:3 +0x1\nthe real cause\n", f.dir)
	run := exec.Command("/bin/sh", "-c", "exit 1").Run()
	if _, ok := errors.AsType[*exec.ExitError](run); !ok {
		t.Log("no shell here")
		return
	}
	got := f.ended("app", run, o)
	if len(got) != 1 || got[0].Source != "exit" || !strings.HasSuffix(got[0].Notes[0].Text, "the real cause") {
		t.Errorf("%+v", got)
	}
	fmt.Fprintln(o, "panic: real\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:4 +0x1\nexit status 2") // of go run
	if got := f.ended("app", run, o); len(got) != 1 || got[0].Text != "panic: real" || got[0].Line != 4 {
		t.Errorf("%+v", got)
	}
}

func FuzzDiagnose(f *testing.F) {
	find := project(f, "a.go", "b.templ")
	for _, s := range []string{
		"# p\na.go:1:2: x\n\thave y\n\ta.go:3:4: z\n", "go: errors\ngo.mod:4: x\n", "b.templ parsing error: x: line 1, col 2",
		"panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\ta.go:3 +0x1\n", "fatal error: x", "a.go(1,2): x",
		"/a.js:1\nError: x\n    at f (/a.js:1:1)\n", "\x1b[31mvet: a.go:99999999999999999999:1: x\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		o := &output{queue: newQueue()}
		half := len(said) / 2
		_, _ = o.Write(said[:half])
		_, _ = o.Write(said[half:])
		o.flush()
		all := find.step("go", errors.New("exit status 1"), o)
		if d, ok := find.crash(string(said)); ok {
			all = append(all, d)
		}
		if len(all) == 0 || len(all) > diagnosticLimit+1 {
			t.Fatalf("%d diagnostics", len(all))
		}
		for _, d := range all {
			if len(d.Text) > textLimit*(frameLimit+2) || !utf8.ValidString(d.Text) || d.Source == "" || d.Line < 0 || d.Column < 0 || len(d.Notes) > frameLimit {
				t.Errorf("%+v", d)
			}
			if d.File != "" && !filepath.IsLocal(d.File) {
				t.Errorf("file %q", d.File)
			}
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"a b", `a "b c" 'd'`, "A=1 go run -tags x . y", "a | b", "go run -C x . $Y", "(", "a *.go", "go run -", "npx --yes x@1 -o"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := newLine(text, nil)
		if err != nil {
			return
		}
		inv, err := l.invocation("/nowhere", []string{"Y=1 2"})
		if err == nil && len(inv.args) == 0 {
			t.Error("nothing to run")
		}
		l.known()
		written(l.words())
		if run, ok := parseGoRun(inv.args); ok && len(run.packages) == 0 {
			t.Errorf("%q: no packages", inv.args)
		}
	})
}
