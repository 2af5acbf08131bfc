/** The service that runs the first boot where the kernel's command line does not: until it is through, at every boot. */
import { CARD_FILES, FIRST_BOOT_DONE } from '../card-layout.js';

export const FIRST_BOOT_UNIT = 'covey-first-boot.service';

export function firstBootUnit(cardDirectory: string): string {
  const script = `${cardDirectory}/${CARD_FILES.firstBoot}`;
  return `[Unit]
Description=First boot of Covey
Documentation=file://${cardDirectory}/${CARD_FILES.readme}
RequiresMountsFor=${cardDirectory}
ConditionPathExists=${script}
ConditionPathExists=!${FIRST_BOOT_DONE}
Before=covey-agent.service
SuccessAction=reboot

[Service]
Type=oneshot
ExecStart=/bin/sh ${script}
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
`;
}
