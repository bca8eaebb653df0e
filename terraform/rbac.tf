locals {
  documents = flatten([
    for file in(var.create_rbac ? var.manifests : []) : [
      for text in split("\n---\n", file("${var.manifests_dir}/${file}")) : yamldecode(text)
    ]
  ])
}

resource "kubernetes_manifest" "rbac" {
  for_each = { for document in local.documents : "${document.kind}/${document.metadata.name}" => document }

  manifest = each.value
}
