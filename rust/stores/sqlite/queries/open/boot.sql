-- The boot of the machine to whose steady clock the leases refer.
SELECT value FROM meta WHERE key = 'boot'
