package production

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// recordFile, in the output, lists what the build wrote: a later one deletes that and nothing else.
const recordFile = ".vite/devserve.json"

// recordVersion changes when what is written means something else.
const recordVersion = 1

type record struct {
	Version int      `json:"version"`
	Base    string   `json:"base"`
	Files   []string `json:"files"`
}

// keepers are files that people put into an empty folder so that git, or go:embed, has something there. They stay.
var keepers = []string{".gitkeep", ".keep", ".gitignore"}

// output is the folder that a build writes.
type output struct {
	dir  string // absolute
	keep []string
}

// newOutput checks that name may be written, before anything is built.
func newOutput(site, name string) (output, error) {
	if name == "" {
		name = filepath.Join(site, "dist")
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return output{}, fmt.Errorf("production: output folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	} else if parent, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		dir = filepath.Join(parent, filepath.Base(dir))
	}
	o := output{dir: dir}
	up, _ := filepath.Rel(dir, site)
	down, _ := filepath.Rel(site, dir)
	switch first, _, _ := strings.Cut(filepath.ToSlash(down), "/"); {
	case filepath.IsLocal(up):
		return o, badOption("production: %s cannot be the output folder: the site is in it, and it is emptied before each build", dir)
	case first == publicDir || first == "node_modules":
		return o, badOption("production: %s cannot be the output folder: it lies in %s, which the site is made of", dir, first)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		return o, fmt.Errorf("production: output folder: %w", err)
	case !info.IsDir():
		return o, badOption("production: %s cannot be the output folder: it is a file", dir)
	}
	return o, o.inspect()
}

// inspect returns an error if there is anything in the folder that no build wrote.
func (o *output) inspect() error {
	var r record
	data, err := os.ReadFile(filepath.Join(o.dir, filepath.FromSlash(recordFile)))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		r.Files = nil // then everything is somebody else's
	}
	ours := map[string]bool{recordFile: true}
	for _, f := range r.Files {
		ours[f] = true
	}
	return filepath.WalkDir(o.dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(o.dir, p)
		switch rel = filepath.ToSlash(rel); {
		case err != nil:
			return err
		case slices.Contains(keepers, rel):
			o.keep = append(o.keep, rel)
		case !ours[rel]:
			return fmt.Errorf("production: %s is not emptied: devserve build did not write %s; remove it, or name another output folder", o.dir, rel)
		}
		return nil
	})
}

// write makes files, and those of the public folder, the content of the folder. They are written beside it, so that it is
// complete whenever it is there, and stays as it is if that fails.
func (o *output) write(ctx context.Context, files map[string][]byte, from string, public []string, base string) (err error) {
	r := record{Version: recordVersion, Base: base, Files: slices.Clone(public)}
	for name := range files {
		r.Files = append(r.Files, name)
	}
	slices.Sort(r.Files)
	files[recordFile] = indented(r)

	if err := os.MkdirAll(filepath.Dir(o.dir), 0o777); err != nil {
		return fmt.Errorf("production: %w", err)
	}
	fresh, err := makeDir(o.dir + ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh) // what is left of it
	for name, data := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(fresh, filepath.FromSlash(name)), strings.NewReader(string(data))); err != nil {
			return err
		}
	}
	if err := copyFiles(ctx, from, fresh, public); err != nil {
		return err
	}
	if err := copyFiles(ctx, o.dir, fresh, o.keep); err != nil {
		return err
	}

	return replace(fresh, o.dir)
}

// replace puts the folder fresh in the place of dir, at once where the system can, and removes what was there.
func replace(fresh, dir string) error {
	if swap(fresh, dir) == nil {
		if err := os.RemoveAll(fresh); err != nil { // what it now is
			return fmt.Errorf("production: remove the former output: %w", err)
		}
		return nil
	}
	return moveOver(fresh, dir)
}

// moveOver is replace where two folders cannot be swapped, or there is but one.
func moveOver(fresh, dir string) error {
	old := fresh + "-old"
	switch err := os.Rename(dir, old); {
	case errors.Is(err, fs.ErrNotExist):
		old = ""
	case err != nil:
		return fmt.Errorf("production: replace the former output: %w", err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if old != "" {
			err = errors.Join(err, os.Rename(old, dir))
		}
		return fmt.Errorf("production: %w", err)
	}
	if old != "" {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("production: remove the former output: %w", err)
		}
	}
	return nil
}

// makeDir makes a folder that is not there yet, with the rights that any new folder gets.
func makeDir(prefix string) (string, error) {
	dir, base := filepath.Split(prefix)
	for i := os.Getpid(); ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s%d", base, i))
		err := os.Mkdir(name, 0o777)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("production: %w", err)
		}
	}
}

func writeFile(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return fmt.Errorf("production: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("production: %w", err)
	}
	return nil
}

// copyFiles copies names, slash-separated, from one folder to another. No link leads it out of the first.
func copyFiles(ctx context.Context, from, to string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	root, err := os.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	defer root.Close()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := root.Open(filepath.FromSlash(path.Clean(name)))
		if err != nil {
			return fmt.Errorf("production: %w", err)
		}
		err = writeFile(filepath.Join(to, filepath.FromSlash(name)), f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
