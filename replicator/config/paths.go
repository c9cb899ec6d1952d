package config

import "path/filepath"

// resolve makes the paths of a file relative to the directory of the file.
func resolve(dir string, paths []*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

func (e *Exporter) paths() []*string {
	out := []*string{&e.DataDir, &e.Hub.Credentials}
	out = append(out, e.Source.Etcd.paths()...)
	out = append(out, e.Source.Kubernetes.paths()...)
	out = append(out, e.Hub.TLS.paths()...)
	for i := range e.Policies {
		out = append(out, &e.Policies[i])
	}
	if h := e.Hub.Embedded; h != nil {
		out = append(out, &h.DataDir)
		out = append(out, h.TLS.paths()...)
	}
	return out
}

func (i *Importer) paths() []*string {
	out := []*string{&i.DataDir, &i.Hub.Credentials}
	out = append(out, i.Target.Etcd.paths()...)
	out = append(out, i.Target.Kubernetes.paths()...)
	return append(out, i.Hub.TLS.paths()...)
}

func (e *Etcd) paths() []*string {
	return append(e.TLS.paths(), &e.PasswordFile)
}

func (t *TLS) paths() []*string {
	if t == nil {
		return nil
	}
	return []*string{&t.CA, &t.Cert, &t.Key}
}

func (t *ServerTLS) paths() []*string {
	if t == nil {
		return nil
	}
	return []*string{&t.Cert, &t.Key, &t.CA}
}
