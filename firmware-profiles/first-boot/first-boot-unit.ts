/** The service that runs the first boot where the kernel's command line does not: until it is through, at every boot. */
import { CARD_FILES, FIRST_BOOT_DONE } from '../card-layout.js';

export const FIRST_BOOT_UNIT = 'covey-first-boot.service';

/** `after`: units that have ended, if they run at all, before it begins. */
export function firstBootUnit(cardDirectory: string, after: readonly string[] = []): string {
  const script = `${cardDirectory}/${CARD_FILES.firstBoot}`;
  return `[Unit]
Description=First boot of Covey
Documentation=file://${cardDirectory}/${CARD_FILES.readme}
RequiresMountsFor=${cardDirectory}
ConditionPathExists=${script}
ConditionPathExists=!${FIRST_BOOT_DONE}
Before=covey-agent.service
${after.map((unit) => `After=${unit}\n`).join('')}SuccessAction=reboot

[Service]
Type=oneshot
ExecStart=/bin/sh ${script}
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
`;
}
