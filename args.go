package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
	"github.com/urfave/cli/v2"
)

const (
	defaultHost = "localhost" // 127.0.0.1 and, where there is one, [::1]
	defaultPort = 3000
)

// options are the flags.
type options struct {
	server.Options
	host       string
	port       int // 0: any
	strictPort bool
	open       bool
	trace      bool
	quiet      bool
	json       bool
	config     config
	flags      []cli.Flag // that a config may set
}

// A usageError is a call that cannot mean anything.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// cacheDir is the folder that --cache means: the user's if nothing is said, none for "off".
func cacheDir(flag string) string {
	switch flag {
	case "off":
		return ""
	case "":
		if dir, err := os.UserCacheDir(); err == nil {
			return filepath.Join(dir, "devserve")
		}
		return ""
	}
	return flag
}

// parseOptions reads the flags, and what a config file says of those that are not given. An empty value, as in DEVSERVE_HOST=, is the default.
func parseOptions(c *cli.Context) (options, error) {
	file, err := configure(c)
	if err != nil {
		return options{}, err
	}
	o := options{
		Options: server.Options{
			Dir:          cmp.Or(c.Args().First(), file.dir, "."),
			Base:         c.String("base"),
			Proxy:        map[string]string{},
			Backend:      c.String("backend"),
			Watch:        c.StringSlice("watch"),
			Ignore:       c.StringSlice("ignore"),
			AllowHosts:   c.StringSlice("allow-host"),
			AllowOrigins: c.StringSlice("allow-origin"),
			CacheDir:     cacheDir(c.String("cache")),
			Poll:         c.Bool("poll"),
			NoHMR:        c.Bool("no-hmr"),
		},
		host:       c.String("host"),
		strictPort: c.Bool("strict-port"),
		open:       c.Bool("open"),
		trace:      c.Bool("trace"),
		quiet:      c.Bool("quiet"),
		config:     file,
		flags:      configFlags(c.App),
	}
	if c.NArg() > 1 {
		return o, usagef("too many arguments: one directory is served at a time, and %q is a second", c.Args().Get(1))
	}
	if o.host == "" {
		o.host = defaultHost
	}
	o.port = defaultPort
	if s := c.String("port"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return o, usagef("bad port %q: give a number from 1 to 65535, or 0 for any free port", s)
		}
		o.port = int(n)
	}
	switch s := c.String("log-format"); s {
	case "", "text":
	case "json":
		o.json = true
	default:
		return o, usagef(`bad log format %q: give "text" or "json"`, s)
	}
	o.Commands = o.config.commands
	if lines := c.StringSlice("cmd"); len(lines) > 0 {
		o.Commands = nil
		for _, l := range lines {
			o.Commands = append(o.Commands, command.Spec{Line: l})
		}
	}
	for _, s := range c.StringSlice("proxy") {
		path, address, ok := strings.Cut(s, "=")
		if _, double := o.Proxy[path]; !ok || double {
			return o, usagef("bad proxy %q: give each PATH=URL once, as in --proxy /api=http://localhost:8080", s)
		}
		o.Proxy[path] = address
	}
	o.Define, err = parseDefine(c.StringSlice("define"))
	return o, err
}

func parseDefine(flags []string) (map[string]string, error) {
	define := map[string]string{}
	for _, s := range flags {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usagef("bad definition %q: give NAME=VALUE, as in --define VERSION='\"1.2\"'", s)
		}
		define[name] = value
	}
	return define, nil
}

// permute brings args into the order that urfave/cli/v2 needs, which reads flags only in front of
// the first argument. It finds the flags that do not exist. The first argument may name a
// command; behind "--", or as ./name, it is a directory.
func permute(app *cli.App, args []string) ([]string, error) {
	var front, back []string
	flags, command := app.Flags, false
	for len(args) > 0 {
		if args[0] == "--" {
			if !command && len(back) == 0 && len(args) > 1 && app.Command(args[1]) != nil {
				args[1] = "./" + args[1]
			}
			back = append(back, args[1:]...)
			break
		}
		n, err := flagLength(flags, args)
		switch {
		case err != nil:
			return nil, err
		case n > 0:
			front = append(front, args[:n]...)
		default:
			n = 1
			if cmd := app.Command(args[0]); cmd != nil && !command && len(back) == 0 {
				if cmd.Name == "build" && len(front) > 0 {
					return nil, usagef("flags of a build stand behind the word: devserve build %s", front[0])
				}
				front, flags, command = append(front, args[0]), cmd.Flags, true
			} else {
				back = append(back, args[0])
			}
		}
		args = args[n:]
	}
	return slices.Concat(front, []string{"--"}, back), nil
}

// flagLength returns how many of args, from the first, are one flag with its value: 0 if
// the first is no flag.
func flagLength(flags []cli.Flag, args []string) (int, error) {
	arg := args[0]
	if len(arg) < 2 || arg[0] != '-' {
		return 0, nil
	}
	name, _, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		shown, _, _ := strings.Cut(arg, "=")
		if s := suggest(flags, name); s != "" {
			return 0, usagef("unknown flag %s: did you mean %s?", shown, s)
		}
		return 0, usagef("unknown flag %s: devserve --help lists them", shown)
	}
	if f, ok := flags[i].(cli.DocGenerationFlag); ok && !f.TakesValue() || hasValue {
		return 1, nil
	}
	if len(args) < 2 {
		return 0, usagef("%s needs a value: devserve --help shows how", arg)
	}
	return 2, nil
}

// suggest returns the flag that name was probably meant to be, or "".
func suggest(flags []cli.Flag, name string) string {
	best, least := "", min(3, len(name)) // more wrong letters than two are another word
	for _, f := range flags {
		known := f.Names()[0]
		d := distance(known, name)
		if len(name) > 1 && strings.HasPrefix(known, name) {
			d = 0
		}
		if d < least {
			best, least = "--"+known, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// version says what this binary is, as far as the Go command noted it down.
func version() string {
	v := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
				v += " " + s.Value
			}
		}
	}
	return fmt.Sprintf("devserve %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
