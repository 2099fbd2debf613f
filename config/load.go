package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/hashicorp/go-multierror"
	"go.yaml.in/yaml/v3"
)

// Load makes a Config from the defaults, the YAML file at path and the
// environment ("KEY=value" strings); flags have the last word before the
// defaults fill the gaps. An empty path means DefaultFile if that exists. The
// error is a *multierror.Error that holds every problem found.
func Load(path string, environ []string, flags ...func(*Config)) (*Config, error) {
	c := &Config{}
	var problems *multierror.Error
	if err := c.read(path); err != nil {
		problems = multierror.Append(problems, err)
	}
	if err := c.applyEnv(environ); err != nil {
		problems = multierror.Append(problems, err)
	}
	for _, set := range flags {
		set(c)
	}
	c.setDefaults()
	if err := c.Validate(); err != nil {
		problems = multierror.Append(problems, err)
	}
	if problems != nil {
		problems.ErrorFormat = list
	}
	return c, problems.ErrorOrNil()
}

// list writes one problem as it is and several as one line each.
func list(problems []error) string {
	if len(problems) == 1 {
		return problems[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(problems))
	for _, p := range problems {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}

func (c *Config) read(path string) error {
	named := path != ""
	if !named {
		path = DefaultFile
	}
	text, err := os.ReadFile(path)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	c.File = path
	return c.parse(text)
}

// parse reads YAML into c. Keys that c does not have are errors.
func (c *Config) parse(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(c)
	if errors.Is(err, io.EOF) { // an empty file
		return nil
	}
	if err == nil {
		if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: more than one YAML document; keep only one", c.File)
		}
		return nil
	}
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		return fmt.Errorf("%s: %s", c.File, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var problems *multierror.Error
	for _, e := range types.Errors {
		problems = multierror.Append(problems, fmt.Errorf("%s: %s", c.File, plain(e)))
	}
	return problems
}

var (
	unknownKey = regexp.MustCompile(`^(line \d+): field (\S+) not found in type config\.(\S+)$`)
	wrongType  = regexp.MustCompile("^(line \\d+): cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.+)$")
)

// plain puts the decoder's words about Go types into words about the file.
func plain(e string) string {
	if m := unknownKey.FindStringSubmatch(e); m != nil {
		where := ""
		if m[3] != "Config" {
			where = " in " + strings.ToLower(m[3])
		}
		return fmt.Sprintf("%s: unknown key %q%s", m[1], m[2], where)
	}
	if m := wrongType.FindStringSubmatch(e); m != nil {
		got := map[string]string{"map": "a mapping", "seq": "a list"}[m[2]]
		if got == "" {
			got = fmt.Sprintf("%q", m[3])
		}
		return fmt.Sprintf("%s: %s is not %s", m[1], got, wanted(m[4]))
	}
	return e
}

func wanted(goType string) string {
	switch {
	case goType == "int" || goType == "float64":
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a string"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "a mapping"
}
