package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/ctime"
)

// A listing of an earlier build is what the directory holds now.
func TestListing(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	dir := filepath.Join(root, "dir")
	write := func(name string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(name), 0o777))
		must(t, os.WriteFile(name, nil, 0o666))
	}
	write(filepath.Join(dir, "a"))
	write(filepath.Join(root, "other", "b"))
	r := newResolver(root, "/", false)
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() {}, "a"},
		{func() {}, "a"},
		{func() { write(filepath.Join(dir, "c")) }, "a c"},
		{func() { must(t, os.Rename(filepath.Join(dir, "c"), filepath.Join(dir, "d"))) }, "a d"},
		{func() { must(t, os.Remove(filepath.Join(dir, "d"))) }, "a"},
		{func() {
			must(t, os.Rename(dir, filepath.Join(root, "old")))
			must(t, os.Rename(filepath.Join(root, "other"), dir))
		}, "b"},
		{func() { must(t, os.RemoveAll(dir)) }, ""},
		{func() { must(t, os.Symlink("old", dir)) }, ""},
		{func() { must(t, os.Remove(dir)); write(filepath.Join(dir, "a")) }, "a"},
	} {
		step.change()
		for _, age := range []string{"fresh", "old", "kept"} { // only of an old directory a listing is kept
			r.begin()
			if got := strings.Join(sortedKeys(r.list(dir)), " "); got != step.want {
				t.Errorf("%s: got %q, want %q", age, got, step.want)
			}
			if info, err := os.Stat(dir); err == nil && ctime.Fresh(info) && r.dirs[dir].info != nil {
				t.Errorf("%s: kept with %q, though another change might give it the same time", age, step.want)
			}
			for deadline := time.Now().Add(10 * time.Second); ; {
				info, err := os.Stat(dir)
				if err != nil || !ctime.Fresh(info) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the directory does not age")
				}
				<-time.After(time.Millisecond)
			}
		}
	}
}
