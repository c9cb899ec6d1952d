package transform

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// imageMove replaces the start of image names.
type imageMove struct{ from, to string }

func compileImages(ps *problems, im Images) action {
	from, f := imagePrefix(im.From)
	if f != nil {
		ps.add(f, "images", "from")
	}
	to, f := imagePrefix(im.To)
	if f != nil {
		ps.add(f, "images", "to")
	}
	if from == to && from != "" {
		ps.add(&flaw{"from and to are the same", "remove the step, or change one of them"}, "images", "to")
	}
	return imageMove{from: from, to: to}
}

// imagePrefix reads a registry, or a registry and the start of a path.
func imagePrefix(s string) (string, *flaw) {
	registry, _, _ := strings.Cut(s, "/")
	switch {
	case s == "":
		return "", &flaw{"the registry is empty", "write it like registry.example.com or docker.io/library"}
	case strings.Contains(s, "://"):
		return "", &flaw{fmt.Sprintf("%q is an address, not a registry", s), fmt.Sprintf("did you mean %q?", s[strings.Index(s, "://")+3:])}
	case strings.HasSuffix(s, "/"):
		return "", &flaw{fmt.Sprintf("%q ends with a slash", s), fmt.Sprintf("did you mean %q?", strings.TrimRight(s, "/"))}
	case !strings.ContainsAny(registry, ".:") && registry != "localhost":
		return "", &flaw{fmt.Sprintf("%q does not begin with a registry", s), "a registry has a dot or a port; those of Docker Hub begin with docker.io/"}
	}
	// What follows a registry is a path, whatever it looks like alone.
	named, err := reference.ParseNormalizedNamed(s + inAnyPath)
	if err != nil {
		return "", &flaw{fmt.Sprintf("%q is not a registry or the start of an image name", s), "write it like registry.example.com:5000/team, without a tag"}
	}
	return strings.TrimSuffix(fullName(named), inAnyPath), nil
}

// inAnyPath makes an image name of a registry or a path in one.
const inAnyPath = "/x/x"

// fullName is registry and path; names of registries do not depend on case.
func fullName(n reference.Named) string {
	return strings.ToLower(reference.Domain(n)) + "/" + reference.Path(n)
}

func (m imageMove) apply(obj map[string]any) error {
	for _, spec := range podSpecs(obj) {
		if err := eachImage(spec, m.move); err != nil {
			return err
		}
	}
	return nil
}

// move is the new name of an image. What no container runtime could read as a
// name of an image stays as it is, and so does every other image.
func (m imageMove) move(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image, nil //nolint:nilerr // not an image name, so not one of that registry
	}
	rest, inside := strings.CutPrefix(fullName(named), m.from)
	if !inside || rest != "" && rest[0] != '/' {
		return image, nil
	}
	if rest == "" && !strings.Contains(m.to, "/") {
		return "", fmt.Errorf("image %q is all of %q, and %q has no path to take its place", image, m.from, m.to)
	}
	return m.to + rest + strings.TrimPrefix(named.String(), named.Name()), nil
}
