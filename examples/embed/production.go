//go:build production

package main

import (
	"embed"
	"io/fs"
)

var (
	//go:embed templates
	embedded embed.FS

	//go:embed all:web/dist
	built embed.FS

	templates, _       = fs.Sub(embedded, "templates") // the name is valid
	dist         fs.FS = built
)
