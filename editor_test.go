package main

import (
	"slices"
	"strings"
	"testing"
)

func TestEditor(t *testing.T) {
	for _, test := range []struct {
		env          string
		line, column int
		want         string // "" for an error
	}{
		{"code", 12, 5, "code --goto /s/a.ts:12:5"},
		{"/usr/bin/code --reuse-window", 12, 0, "/usr/bin/code --reuse-window --goto /s/a.ts:12:1"},
		{"code", 0, 0, "code /s/a.ts"},
		{"zed", 12, 5, "zed /s/a.ts:12:5"},
		{"goland64.exe", 12, 5, "goland64.exe --line 12 --column 5 /s/a.ts"},
		{"emacsclient -n", 12, 5, "emacsclient -n +12 /s/a.ts"},
		{"xdg-open", 12, 5, "xdg-open /s/a.ts"},
		{"nvim", 12, 5, ""},
	} {
		command := editor(func(name string) string {
			if name == "VISUAL" {
				return test.env
			}
			return ""
		})
		got, err := editorArgs(command, "/s/a.ts", test.line, test.column)
		if !slices.Equal(got, strings.Fields(test.want)) || (err != nil) != (test.want == "") {
			t.Errorf("%s: got %q, %v", test.env, got, err)
		}
	}
	if got := editor(func(name string) string {
		return map[string]string{"DEVSERVE_EDITOR": "zed", "EDITOR": "vim"}[name]
	}); !slices.Equal(got, []string{"zed"}) {
		t.Errorf("got %q", got)
	}
	if got := editor(func(string) string { return " " }); got != nil {
		t.Errorf("got %q", got)
	}
}

// No shell sees a file's name, and the one that Windows has for batch files none that it would take for more.
func TestEditorThatIsABatchFile(t *testing.T) {
	for _, test := range []struct {
		program, file string
		ok            bool
	}{
		{`C:\Code\bin\code.cmd`, `C:\site (1)\[id] a-b.ts`, true},
		{`C:\Code\bin\code.cmd`, `C:\site\a&calc.ts`, false},
		{`C:\Code\bin\CODE.CMD`, `C:\site\%PATH%.ts`, false},
		{`C:\Code\bin\code.bat`, `C:\site\a" & calc.ts`, false},
		{`C:\Code\Code.exe`, `C:\site\a&calc.ts`, true},
		{"/usr/bin/code", "/site/a&calc.ts", true},
	} {
		if err := batchFile(test.program, test.file); (err == nil) != test.ok {
			t.Errorf("%s %s: %v", test.program, test.file, err)
		}
	}
}
