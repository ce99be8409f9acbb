//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// docs/security.md names every advisory that TestAttacks tries, each in a row with its test, and no test that there is not.
func TestSecurityTable(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/attacks.txtar")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(page), "\n")
	var groups []string
	for _, g := range parseAttacks(t, string(archive.Comment), strings.NewReplacer().Replace) {
		groups = append(groups, g.name)
		for _, advisory := range g.advisories {
			if !slices.ContainsFunc(rows, func(row string) bool {
				return strings.Contains(row, advisory) && strings.Contains(row, "`TestAttacks/"+g.name+"`")
			}) {
				t.Errorf("no row has %s and TestAttacks/%s", advisory, g.name)
			}
		}
	}

	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	named := regexp.MustCompile(`t\.Run\("(\w+)"`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case filepath.Ext(path) == ".txtar":
			tests["/"+strings.TrimSuffix(d.Name(), ".txtar")] = true // a script's
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
			for _, m := range named.FindAllSubmatch(text, -1) {
				tests["/"+string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(groups, "NAME") {
		tests["/"+name] = true
	}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)(?:/([\\w-]+))?`").FindAllStringSubmatch(string(page), -1) {
		if !tests[m[1]] || m[2] != "" && !tests["/"+m[2]] {
			t.Errorf("there is no test %s", strings.Trim(m[0], "`"))
		}
	}
}
