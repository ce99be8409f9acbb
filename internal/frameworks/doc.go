// Package frameworks has tests alone: the middleware under chi, gin and echo and their compressing middlewares, in
// a module of its own so that devserve's does not name them.
package frameworks
