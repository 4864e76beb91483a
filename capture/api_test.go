package capture_test

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSameEverywhere holds what the package exports on other systems, where all of it fails,
// against what it does on Linux: who uses it needs no build tags.
func TestSameEverywhere(t *testing.T) {
	linux := exported(t, "linux")
	assert.Greater(t, len(linux), 60)
	for _, system := range []string{"darwin", "windows"} {
		assert.Equal(t, linux, exported(t, system), system)
	}
}

// exported are the names that the package has for a system.
func exported(t *testing.T, system string) (names []string) {
	t.Helper()
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled = system, "amd64", false
	p, err := c.ImportDir(".", 0)
	require.NoError(t, err)
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		require.NoError(t, err)
		parsed = append(parsed, f)
	}
	d, err := doc.NewFromFiles(files, parsed, p.ImportPath)
	require.NoError(t, err)
	values := func(all []*doc.Value) {
		for _, v := range all {
			names = append(names, v.Names...)
		}
	}
	functions := func(prefix string, all []*doc.Func) {
		for _, f := range all {
			names = append(names, prefix+f.Name)
		}
	}
	values(d.Consts)
	values(d.Vars)
	functions("", d.Funcs)
	for _, typ := range d.Types {
		names = append(names, typ.Name)
		values(typ.Consts)
		values(typ.Vars)
		functions("", typ.Funcs)
		functions(typ.Name+".", typ.Methods)
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return !ast.IsExported(name) })
}
