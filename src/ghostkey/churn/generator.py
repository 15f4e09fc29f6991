def generated(crd, resource, api):
    return None
