package builder

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/evanw/esbuild/pkg/api"
)

// A script or a style sheet may name the map that it was made with, and the map the sources. Where esbuild makes maps it
// reads them all, whatever they are: a device that never ends, a pipe that nobody writes to, another machine's share, which gets
// the user's credentials. So a comment that leads there is none any more before esbuild sees it.

// maxMapped is the size in bytes up to which a map, or a source that it names, is read.
const maxMapped = 64 << 20

// mapComment finds what esbuild takes for the place of a map, and more: white space is not the same in scripts and style sheets.
var mapComment = regexp.MustCompile(`[#@] sourceMappingURL(=)([^ \t\n\f\r]+)`)

// loadDisarmed loads the files that nobody else does and that need it.
func (g guard) loadDisarmed(pb api.PluginBuild) {
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		data, err := readRegular(args.Path)
		if err != nil {
			return api.OnLoadResult{}, nil // esbuild says what is wrong
		}
		contents, changed := g.b.disarm(string(data), args.Path)
		if !changed {
			return api.OnLoadResult{}, nil
		}
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderDefault}, nil
	})
}

// disarm is for what a plugin has loaded.
func (g guard) disarm(args api.OnLoadArgs, r *api.OnLoadResult) {
	dir := cmp.Or(r.ResolveDir, filepath.Dir(args.Path))
	if contents, changed := g.b.disarm(*r.Contents, filepath.Join(dir, filepath.Base(args.Path))); changed {
		r.Contents = &contents
	}
}

// disarm returns the text of the file at path without comments that name a map which esbuild should not read. All else
// stays where it is.
func (b *Builder) disarm(text, path string) (string, bool) {
	if !strings.Contains(text, "sourceMappingURL=") {
		return text, false
	}
	out := []byte(text)
	changed := false
	for _, m := range mapComment.FindAllStringSubmatchIndex(text, -1) {
		if ref := text[m[4]:m[5]]; !b.mayRead(ref, path) {
			out[m[2]] = ' '
			changed = true
			b.log.Debug("source map refused", "file", path, "map", ref[:min(len(ref), 200)])
		}
	}
	return string(out), changed
}

// mayRead reports whether esbuild may read the map that the file at path names.
func (b *Builder) mayRead(ref, path string) bool {
	refs := []string{ref}
	if i := strings.IndexFunc(ref, func(r rune) bool { return unicode.In(r, unicode.Z, unicode.White_Space) || r == '\uFEFF' }); i >= 0 {
		refs = append(refs, ref[:i])
	}
	for _, ref := range refs {
		before, _, _ := strings.Cut(ref, "*/")
		if !b.isHarmless(ref, path) || before != ref && !b.isHarmless(before, path) {
			return false
		}
	}
	return true
}

func (b *Builder) isHarmless(ref, path string) bool {
	dir := filepath.Dir(path)
	if data, ok := strings.CutPrefix(ref, "data:"); ok {
		head, data, _ := strings.Cut(data, ",")
		if strings.HasSuffix(head, ";base64") {
			text, err := base64.StdEncoding.DecodeString(data)
			return err != nil || sourcesAreFiles(text, dir)
		}
		text, err := url.PathUnescape(data)
		return err != nil || sourcesAreFiles([]byte(text), dir)
	}
	return !slices.ContainsFunc(sourcePaths(ref, dir), func(at string) bool {
		if !isFile(at) || !isSource(at, b.shown([]string{path})) {
			return true
		}
		text, err := readRegular(at)
		return err == nil && !sourcesAreFiles(text, filepath.Dir(at))
	})
}

// sourcesAreFiles reports whether esbuild can read what a map in dir names. Which of it pages may see is for hide to say.
func sourcesAreFiles(text []byte, dir string) bool {
	var m map[string]json.RawMessage // not a struct, which would take "Sources" too
	if json.Unmarshal(text, &m) != nil {
		return false
	}
	var sections []map[string]json.RawMessage
	_ = json.Unmarshal(m["sections"], &sections) // what is none of these has none
	for _, s := range sections {
		if !sourcesAreFiles(s["map"], dir) {
			return false
		}
	}
	var root string
	var sources []any
	_ = json.Unmarshal(m["sourceRoot"], &root)
	_ = json.Unmarshal(m["sources"], &sources)
	if i := strings.LastIndexByte(root, '/'); i >= 0 || root == "" {
		root = root[:i+1]
	} else {
		root += "/"
	}
	return !slices.ContainsFunc(sources, func(s any) bool {
		name, _ := s.(string)
		return slices.ContainsFunc(slices.Concat(sourcePaths(name, dir), sourcePaths(root+name, dir)), func(at string) bool { return !isFile(at) })
	})
}

// isFile reports whether reading what is at path, if anything is, comes to an end soon.
func isFile(path string) bool {
	if isShare(path) {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || info.IsDir() || info.Mode().IsRegular() && info.Size() <= maxMapped
}

// isShare reports whether Windows would ask another machine for path, or a device.
func isShare(path string) bool { return strings.HasPrefix(path, "//") || strings.HasPrefix(path, `\\`) }
