# nomad job run nomad.hcl: a relay with its queue on a host volume; Nomad's variables have the login.
job "mail" {
  type = "service"

  group "relay" {
    network {
      port "smtp" { to = 2525 }
      port "http" { to = 8080 }
    }

    volume "queue" {
      type   = "host"
      source = "mail-queue"
    }

    service {
      name     = "mail"
      port     = "smtp"
      provider = "nomad"

      check {
        type     = "http"
        port     = "http"
        path     = "/readyz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "relay" {
      driver       = "docker"
      kill_timeout = "60s"

      config {
        image           = "registry.example/relaybox:0.1.0"
        ports           = ["smtp", "http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      env {
        RELAYHOST                = "[smtp.provider.example]:587"
        RELAYHOST_USERNAME       = "user@example.com"
        RELAYHOST_PASSWORD_FILE  = "/secrets/password"
        POSTFIX_http_listen      = "8080"
        POSTFIX_shutdown_timeout = "50s"
      }

      template {
        data        = "{{ with nomadVar \"nomad/jobs/mail\" }}{{ .password }}{{ end }}"
        destination = "secrets/password"
        change_mode = "noop"   # relayd sees it by itself
      }

      volume_mount {
        volume      = "queue"
        destination = "/var/spool/relaybox"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
