package builder

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/evanw/esbuild/pkg/api"
)

// esbuild is api.Build with o made safe.
func (b *Builder) esbuild(o api.BuildOptions) api.BuildResult { return api.Build(b.guarded(o)) }

// guarded is o with plugins that may panic: esbuild calls them from goroutines of its own, where that would end the
// process, so that it becomes an error of the file at hand. And if there will be source maps, esbuild reads none that it
// should not.
func (b *Builder) guarded(o api.BuildOptions) api.BuildOptions {
	g := guard{b: b, maps: o.Sourcemap != api.SourceMapNone}
	plugins := o.Plugins
	if g.maps {
		plugins = append(slices.Clip(plugins), api.Plugin{Name: pluginName, Setup: g.loadDisarmed})
	}
	o.Plugins = make([]api.Plugin, len(plugins))
	for i, p := range plugins {
		o.Plugins[i] = api.Plugin{Name: p.Name, Setup: func(pb api.PluginBuild) { g.setup(p, pb) }}
	}
	return o
}

// A guard is around the plugins of one call of esbuild.
type guard struct {
	b    *Builder
	maps bool // are made
}

func (g guard) setup(p api.Plugin, pb api.PluginBuild) {
	mine := pb
	mine.OnStart = func(f func() (api.OnStartResult, error)) {
		pb.OnStart(func() (r api.OnStartResult, err error) {
			defer g.b.caught(p.Name, &err)
			return f()
		})
	}
	mine.OnEnd = func(f func(*api.BuildResult) (api.OnEndResult, error)) {
		pb.OnEnd(func(built *api.BuildResult) (r api.OnEndResult, err error) {
			defer g.b.caught(p.Name, &err)
			return f(built)
		})
	}
	mine.OnResolve = func(o api.OnResolveOptions, f func(api.OnResolveArgs) (api.OnResolveResult, error)) {
		pb.OnResolve(o, func(args api.OnResolveArgs) (r api.OnResolveResult, err error) {
			defer g.b.caught(p.Name, &err)
			return f(args)
		})
	}
	mine.OnLoad = func(o api.OnLoadOptions, f func(api.OnLoadArgs) (api.OnLoadResult, error)) {
		pb.OnLoad(o, func(args api.OnLoadArgs) (r api.OnLoadResult, err error) {
			defer g.b.caught(p.Name, &err)
			r, err = f(args)
			if g.maps && r.Contents != nil {
				g.disarm(args, &r)
			}
			return r, err
		})
	}
	mine.OnDispose = func(f func()) {
		pb.OnDispose(func() {
			var err error // logged
			defer g.b.caught(p.Name, &err)
			f()
		})
	}
	var err error
	func() {
		defer g.b.caught(p.Name, &err)
		p.Setup(mine)
	}()
	if err != nil {
		pb.OnStart(func() (api.OnStartResult, error) { return api.OnStartResult{}, err })
	}
}

// caught is to be deferred: a panic becomes the error, and is logged with its stack. As nobody knows what it left behind, the
// next build compiles all anew.
func (b *Builder) caught(where string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	stack := debug.Stack()
	if p, ok := v.(*panicked); ok {
		v, stack = p.value, p.stack
	}
	b.shaken.Store(true)
	b.log.Error("panic", "in", where, "value", v, "stack", string(stack))
	*err = panicError(fmt.Sprintf("panic in %s: %v; the log has its stack", where, v))
}

// A panicError says that something panicked.
type panicError string

func (e panicError) Error() string { return string(e) }

// panicked is what a goroutine of ours panicked with, on its way to the one that waits for it.
type panicked struct {
	value any
	stack []byte
}

// guardBuild runs do, a build, which reports r unless it panics. Then that is reported in its place.
func (b *Builder) guardBuild(r *Result, do func()) (err error) {
	defer func() {
		if err == nil {
			return
		}
		errs := []Diagnostic{{Source: pluginName, Text: err.Error()}}
		b.report(Result{Build: r.Build, Began: r.Began, Entry: r.Entry, Files: r.Files, Hash: fmt.Sprintf("%x", b.sum), Errors: errs})
	}()
	defer b.caught("a build", &err)
	do()
	return nil
}
