package transform

import "fmt"

// podSpecAt leads to the pod specification of each built-in kind that has one,
// by API group and kind.
var podSpecAt = map[[2]string][]string{
	{"", "Pod"}:                   {"spec"},
	{"", "PodTemplate"}:           {"template", "spec"},
	{"", "ReplicationController"}: {"spec", "template", "spec"},
	{"apps", "DaemonSet"}:         {"spec", "template", "spec"},
	{"apps", "Deployment"}:        {"spec", "template", "spec"},
	{"apps", "ReplicaSet"}:        {"spec", "template", "spec"},
	{"apps", "StatefulSet"}:       {"spec", "template", "spec"},
	{"batch", "CronJob"}:          {"spec", "jobTemplate", "spec", "template", "spec"},
	{"batch", "Job"}:              {"spec", "template", "spec"},
}

// podSpecs are the pod specifications of an object: none or one.
func podSpecs(obj map[string]any) []map[string]any {
	id := identityOf(obj)
	path, has := podSpecAt[[2]string{id.group(), id.kind}]
	if !has {
		return nil
	}
	spec := obj
	for _, name := range path {
		next, isMap := spec[name].(map[string]any)
		if !isMap {
			return nil
		}
		spec = next
	}
	return []map[string]any{spec}
}

// imageLists are the lists of a pod specification whose entries name images:
// directly, or in a volume that is an image.
var imageLists = []struct {
	list  string
	below string
	field string
}{
	{list: "initContainers", field: "image"},
	{list: "containers", field: "image"},
	{list: "ephemeralContainers", field: "image"},
	{list: "volumes", below: "image", field: "reference"},
}

// eachImage gives every image of a pod specification a new name.
func eachImage(spec map[string]any, rename func(string) (string, error)) error {
	for _, l := range imageLists {
		entries, _ := spec[l.list].([]any)
		for i, e := range entries {
			holder, _ := e.(map[string]any)
			if l.below != "" {
				holder, _ = holder[l.below].(map[string]any)
			}
			image, isText := holder[l.field].(string)
			if !isText {
				continue
			}
			renamed, err := rename(image)
			if err != nil {
				return fmt.Errorf("%s[%d]: %w", l.list, i, err)
			}
			holder[l.field] = renamed
		}
	}
	return nil
}
