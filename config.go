package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/watcher"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/urfave/cli/v2"
)

// configName is the file that is read where --config names none: of the site's folder, or else of the working directory.
const configName = "devserve.toml"

// A config is what such a file says. Its keys are the names of the flags, and dir, the site. Relative paths in it
// begin at its own folder. A list is an array or, of NAME=VALUE, a table; [[cmd]] is a
// command.Spec, of which the flag --cmd can say no more than the line.
type config struct {
	path     string // "" if there is none
	dir      string // the site; "" if it does not say
	values   map[string]string
	commands []command.Spec
}

// configure reads the file that c is meant to have, if any, and sets those flags of c that neither the command line
// nor the environment has set.
func configure(c *cli.Context) (config, error) {
	f, err := readConfig(c)
	if err != nil {
		return config{}, err
	}
	for name, value := range f.values {
		if !slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return f.Names()[0] == name }) || c.IsSet(name) {
			continue // of another command, or given
		}
		if err := c.Set(name, value); err != nil {
			return config{}, usagef("%s: %s: %w", f.path, name, err)
		}
	}
	return f, nil
}

func readConfig(c *cli.Context) (config, error) {
	path := c.String("config")
	if path == "" {
		for _, dir := range []string{c.Args().First(), "."} {
			if name := filepath.Join(dir, configName); path == "" && isFile(name) {
				path = name
			}
		}
		if path == "" {
			return config{}, nil
		}
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return config{}, usagef("no such file %q: --config names a file with the flags' names as keys", path)
	case err != nil:
		return config{}, fmt.Errorf("read %q: %w", path, errors.Unwrap(err))
	}
	return parseConfig(path, data, configFlags(c.App))
}

// configFlags are the flags that a file may set, of all commands: one file is for all.
func configFlags(app *cli.App) []cli.Flag {
	flags := slices.Clone(app.Flags)
	for _, cmd := range app.Commands {
		flags = append(flags, cmd.Flags...)
	}
	return slices.DeleteFunc(flags, func(f cli.Flag) bool {
		return slices.Contains([]string{"config", "help", "version"}, f.Names()[0])
	})
}

// parseConfig checks what is in the file at path.
func parseConfig(path string, data []byte, flags []cli.Flag) (config, error) {
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, column := at.Position()
			return config{}, usagef("%s:%d:%d: %s", path, row, column, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return config{}, usagef("%s: %w", path, err)
	}
	p := configParser{path: path, lines: linesOf(data), flags: flags}
	f := config{path: path, values: map[string]string{}}
	keys := slices.SortedFunc(maps.Keys(doc), func(a, b string) int { return p.line(a) - p.line(b) })
	for _, key := range keys {
		if err := p.key(&f, key, doc[key]); err != nil {
			return config{}, err
		}
	}
	return f, nil
}

type configParser struct {
	path  string
	lines map[string]int
	flags []cli.Flag
}

// key takes one key of the file into f.
func (p *configParser) key(f *config, key string, value any) error {
	if tables, ok := value.([]any); ok && key == "cmd" && len(tables) > 0 {
		if _, ok := tables[0].(map[string]any); ok {
			return p.commands(f, tables)
		}
	}
	i := slices.IndexFunc(p.flags, func(f cli.Flag) bool { return f.Names()[0] == key })
	switch {
	case key == "dir":
		dir, ok := value.(string)
		if !ok || dir == "" {
			return p.wrong(key, "the site's folder in quotes", value)
		}
		f.dir = p.from(dir)
		return nil
	case i < 0:
		if s := suggest(p.flags, key); s != "" {
			return p.errorf(key, "unknown key %q: did you mean %s?", key, strings.TrimPrefix(s, "--"))
		}
		return p.errorf(key, "unknown key %q: keys are the names of the flags, which devserve --help lists", key)
	}
	switch p.flags[i].(type) {
	case *cli.BoolFlag:
		on, ok := value.(bool)
		if !ok {
			return p.wrong(key, "true or false", value)
		}
		f.values[key] = strconv.FormatBool(on)
	case *cli.StringSliceFlag:
		list, ok := stringList(value)
		if !ok {
			return p.wrong(key, "a list of texts, each on one line", value)
		}
		if key == "watch" {
			for i, glob := range list {
				list[i] = p.from(glob)
			}
		}
		f.values[key] = strings.Join(list, "\n")
	default:
		text, ok := value.(string)
		if n, isNumber := value.(int64); isNumber && key == "port" {
			text, ok = strconv.FormatInt(n, 10), true
		}
		if !ok {
			return p.wrong(key, "a text in quotes", value)
		}
		if (key == "cache" && text != "off" || key == "outdir") && text != "" {
			text = p.from(text)
		}
		f.values[key] = text
	}
	return nil
}

// commands takes [[cmd]] into f.
func (p *configParser) commands(f *config, tables []any) error {
	for i, t := range tables {
		at := fmt.Sprintf("cmd.%d", i)
		table, ok := t.(map[string]any)
		if !ok {
			return p.errorf(at, "one cmd is a table and another is %s: give all as [[cmd]]", describe(t))
		}
		spec := command.Spec{Dir: p.from(".")}
		texts := map[string]*string{"name": &spec.Name, "run": &spec.Line, "build": &spec.Build, "dir": &spec.Dir}
		lists := map[string]*[]string{"watch": &spec.Watch, "ignore": &spec.Ignore, "env": &spec.Env}
		for _, key := range slices.Sorted(maps.Keys(table)) {
			at := at + "." + key
			text, list := texts[key], lists[key]
			ok := false
			want := "a text in quotes"
			switch {
			case text != nil:
				*text, ok = table[key].(string)
			case list != nil:
				want = "a list of texts"
				*list, ok = stringList(table[key])
				if *list == nil {
					*list = []string{} // none, not the default
				}
			case key == "generate":
				want = "true or false"
				spec.Generator, ok = table[key].(bool)
			default:
				known := append(slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(lists))...)
				return p.errorf(at, "unknown key %q in [[cmd]]: there are %s and generate", key, strings.Join(known, ", "))
			}
			if !ok {
				return p.wrong(at, want, table[key])
			}
		}
		if strings.TrimSpace(spec.Line) == "" {
			return p.errorf(at, `a [[cmd]] without run: give the command, as in run = "go run ./cmd/api"`)
		}
		if _, given := table["dir"]; given {
			spec.Dir = p.from(spec.Dir)
		}
		f.commands = append(f.commands, spec)
	}
	return nil
}

// from is a relative path as seen from the file's folder.
func (p *configParser) from(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(p.path), path)
}

// line is where a key stands, or the nearest one above it that does.
func (p *configParser) line(key string) int {
	for {
		if n := p.lines[key]; n > 0 {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return 1
		}
		key = key[:i]
	}
}

func (p *configParser) errorf(key, format string, args ...any) error {
	return usagef("%s:%d: %s", p.path, p.line(key), fmt.Sprintf(format, args...))
}

func (p *configParser) wrong(key, want string, got any) error {
	return p.errorf(key, "%s is %s, which must be %s", key[strings.LastIndexByte(key, '.')+1:], describe(got), want)
}

// describe names a value's type as TOML does.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the text %q", v)
	case bool, int64, float64:
		return fmt.Sprint(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// stringList is a list as a flag takes it, NAME=VALUE from a table. None has a line end in it, which separates them.
func stringList(v any) ([]string, bool) {
	var list []string
	switch v := v.(type) {
	case string:
		list = []string{v}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			s, ok := v[name].(string)
			if !ok {
				return nil, false
			}
			list = append(list, name+"="+s)
		}
	default:
		return nil, false
	}
	return list, !slices.ContainsFunc(list, func(s string) bool { return strings.ContainsAny(s, "\r\n") })
}

// linesOf says on which line each key of a document stands: "port", "define.NAME", "cmd.0.run".
func linesOf(data []byte) map[string]int {
	lines := map[string]int{}
	count := map[string]int{} // of tables in arrays
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		name, line := "", 0
		if e.Kind == unstable.KeyValue {
			name = table
		}
		for it := e.Key(); it.Next(); {
			if n := count[name]; n > 0 { // the array's last table
				name += "." + strconv.Itoa(n-1)
			}
			name = strings.TrimPrefix(name+"."+string(it.Node().Data), ".")
			line = p.Shape(it.Node().Raw).Start.Line
		}
		switch e.Kind {
		case unstable.ArrayTable:
			count[name]++
			name += "." + strconv.Itoa(count[name]-1)
			table = name
		case unstable.Table:
			table = name
		}
		for {
			if _, ok := lines[name]; !ok {
				lines[name] = line
			}
			i := strings.LastIndexByte(name, '.')
			if i < 0 {
				break
			}
			name = name[:i]
		}
	}
	return lines
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// watchConfig says when the file that f was read from is another: what it says counts at the next start. It returns once
// no change is missed any more; end ends it.
func watchConfig(f config, flags []cli.Flag, out *console) (end func(), err error) {
	w, err := watcher.New(nil, watcher.Options{})
	if err != nil {
		return nil, err
	}
	w.Watch(nil, []string{f.path})
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- w.Run(ctx, func(watcher.Batch) {
			defer out.caught(f.path)
			data, err := os.ReadFile(f.path)
			if err == nil {
				_, err = parseConfig(f.path, data, flags)
			}
			switch {
			case errors.Is(err, fs.ErrNotExist):
				out.tell(note{f.path + " is gone: what it said holds until devserve is started again"})
			case err != nil:
				out.tell(note{plain(err)})
			default:
				out.tell(note{f.path + " changed: start devserve again to have it count"})
			}
		})
	}()
	select {
	case <-w.Ready():
		return func() { cancel(); <-ran }, nil
	case err := <-ran:
		cancel()
		return nil, err
	}
}
